"""What is checked of the files of TLS, and what happens when they are replaced."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from services.vendor_credit.settings import VendorCreditSettings
from shared.clock import utc_now
from shared.settings import load_settings
from shared.tls.files import BadTlsFile, RenewedFiles, TlsFiles
from shared.tls.issuing import Authority
from tests.certificates import Certificates


@pytest.fixture
def files(certificates: Certificates) -> TlsFiles:
    """Give the files of a good certificate."""
    return certificates.issue("charges.example")


def self_signed(key: ed25519.Ed25519PrivateKey) -> bytes:
    """Return a certificate that the key signed for itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "charges.example")])
    draft = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    now = utc_now()
    return draft.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, None).public_bytes(Encoding.PEM)


def _no_pem(files: TlsFiles) -> None:
    files.cert_file.write_text("no certificate")


def _gone(files: TlsFiles) -> None:
    files.key_file.unlink()


def _a_folder(files: TlsFiles) -> None:
    files.key_file.unlink()
    files.key_file.mkdir()


def _anothers_key(files: TlsFiles) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    files.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _encrypted_key(files: TlsFiles) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    files.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")))


def _a_key_of_no_use(files: TlsFiles) -> None:
    files.key_file.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


BREAKAGES: dict[str, tuple[Callable[[TlsFiles], None], str]] = {
    "no PEM": (_no_pem, r"CHARGING_TLS_CERT_FILE: .*cert\.pem: there is no certificate"),
    "gone": (_gone, r"CHARGING_TLS_KEY_FILE: .*key\.pem: No such file"),
    "a folder": (_a_folder, r"CHARGING_TLS_KEY_FILE: .*key\.pem: Is a directory"),
    "another's key": (_anothers_key, r"CHARGING_TLS_KEY_FILE: .*not the key of the certificate in CHARGING_TLS_CERT_FILE"),
    "an encrypted key": (_encrypted_key, r"CHARGING_TLS_KEY_FILE: .*the key is encrypted"),
    "a key of no use": (_a_key_of_no_use, r"CHARGING_TLS_KEY_FILE: .*no private key in PEM"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_start_with_bad_files_names_setting_file_and_reason(
    breakage: str, files: TlsFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is served, and who reads the one line knows what to mend."""
    break_it, words = BREAKAGES[breakage]
    break_it(files)
    for which, path in (("CERT", files.cert_file), ("KEY", files.key_file), ("CA", files.ca_file)):
        monkeypatch.setenv(f"CHARGING_TLS_{which}_FILE", str(path))
    monkeypatch.setenv("CHARGING_VENDOR_CREDIT_DATABASE_URL", "postgresql://unused")

    with pytest.raises(SystemExit, match="2"):
        load_settings(VendorCreditSettings)

    with pytest.raises(BadTlsFile, match=words):
        files.read(now=utc_now())
    assert str(files.key_file if "KEY" in words else files.cert_file) in capsys.readouterr().err


def test_only_some_of_the_files_are_a_mistake(files: TlsFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of TLS would be none; the message names the settings that are missing."""
    monkeypatch.setenv("CHARGING_TLS_CERT_FILE", str(files.cert_file))
    monkeypatch.setenv("CHARGING_VENDOR_CREDIT_DATABASE_URL", "postgresql://unused")

    with pytest.raises(SystemExit, match="2"):
        load_settings(VendorCreditSettings)

    assert "CHARGING_TLS_KEY_FILE and CHARGING_TLS_CA_FILE" in capsys.readouterr().err


def test_a_port_for_peers_needs_certificates(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that promises certificates and asks for none would be believed."""
    monkeypatch.setenv("CHARGING_VENDOR_CREDIT_PEER_PORT", "50061")
    monkeypatch.setenv("CHARGING_VENDOR_CREDIT_DATABASE_URL", "postgresql://unused")

    with pytest.raises(SystemExit, match="2"):
        load_settings(VendorCreditSettings)

    assert "CHARGING_TLS_CERT_FILE" in capsys.readouterr().err


def test_an_expired_certificate_is_refused_at_the_start(files: TlsFiles) -> None:
    """Nobody could connect; the message says when it ended."""
    with pytest.raises(BadTlsFile, match=r"CHARGING_TLS_CERT_FILE: .*expired at 2"):
        files.read(now=utc_now() + timedelta(days=2))


def test_a_kind_of_key_that_grpc_does_not_take_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    """It would start, and fail at every connection."""
    key = ed25519.Ed25519PrivateKey.generate()
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    files.cert_file.write_bytes(self_signed(key))
    files.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    with pytest.raises(BadTlsFile, match="RSA and ECDSA"):
        files.read(now=utc_now())


def test_a_file_without_a_word_of_its_content(files: TlsFiles) -> None:
    """A message never shows what is in a file: it may be a key."""
    files.cert_file.write_bytes(files.key_file.read_bytes())
    secret = files.key_file.read_text().splitlines()[1]

    with pytest.raises(BadTlsFile) as raised:
        files.read(now=utc_now())

    assert secret not in str(raised.value)


def test_renewed_files_are_given_once(files: TlsFiles, certificates: Certificates) -> None:
    """What was replaced is read once, and then nothing is new."""
    renewed = RenewedFiles(files)
    first = renewed.content
    assert renewed.renewed() is None

    certificates.replace(files, "charges.example")

    again = renewed.renewed()
    assert again is not None
    assert again.chain != first.chain
    assert renewed.renewed() is None


def test_files_that_do_not_fit_yet_leave_the_old_in_force(files: TlsFiles, certificates: Certificates) -> None:
    """Between the two writes of a renewal nothing changes; after the second the new is there. A file that is gone changes nothing."""
    renewed = RenewedFiles(files)
    first = renewed.content
    chain, key = certificates.authority.issue(["charges.example"], utc_now())
    files.cert_file.write_bytes(chain)
    assert renewed.renewed() is None
    assert renewed.content == first

    files.key_file.unlink()
    assert renewed.renewed() is None
    files.key_file.write_bytes(key)

    content = renewed.renewed()
    assert content is not None
    assert (content.chain, content.key) == (chain, key)


def test_an_authority_knows_its_own(certificates: Certificates) -> None:
    """What another authority of the same name signed is not its own."""
    stranger = Authority.new(utc_now())

    assert certificates.authority.signed(stranger.certificate) is False
