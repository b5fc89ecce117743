"""Issue certificates for a trial, and for the containers of one machine.

    python -m shared.tls.issuing DIRECTORY NAME...

Writes what is missing in DIRECTORY: `ca.pem` and `ca.key.pem` of an authority of its own, and for each NAME `NAME.cert.pem` and
`NAME.key.pem`. A certificate is good for that host name, for `localhost` and the loopback addresses, as a server and as a client. One that
ends within 30 days is issued anew. A deployment with an authority already (cert-manager, Vault, ...) uses that, and not this.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.clock import utc_now
from shared.peer_keys import write_whole

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365
RENEWED_BEFORE = timedelta(days=30)
BACKDATED = timedelta(minutes=5)
"""So that machines whose clocks differ a little believe a fresh certificate."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, now: datetime) -> "Authority":
        """Make an authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "charging authority")])
        builder = (
            _draft(name, name, key, now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def kept_in(cls, folder: Path, now: datetime) -> "Authority":
        """Return the authority of the folder, made where there is none."""
        certificate_file, key_file = folder / "ca.pem", folder / "ca.key.pem"
        if not (certificate_file.exists() and key_file.exists()):
            made = cls.new(now)
            write_whole(key_file, _pem(made.key), 0o600)
            write_whole(certificate_file, made.pem, 0o644)
        key = load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file} holds no ECDSA key")
        return cls(x509.load_pem_x509_certificate(certificate_file.read_bytes()), key)

    @property
    def pem(self) -> bytes:
        """Return the certificate that others check by."""
        return self.certificate.public_bytes(Encoding.PEM)

    def signed(self, certificate: x509.Certificate) -> bool:
        """Tell whether the certificate is one of this authority's."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, InvalidSignature):
            return False
        return True

    def issue(self, names: Sequence[str], now: datetime, *, days: int = CERTIFICATE_DAYS) -> tuple[bytes, bytes]:
        """Return a certificate for the host names and addresses, and its private key, both as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _draft(subject, self.certificate.subject, key, now, days)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM), _pem(key)


def write_certificate(folder: Path, name: str, authority: Authority, now: datetime, *, prefix: str = "") -> bool:
    """Write `<prefix>cert.pem` and `<prefix>key.pem` for the host `name`, unless good ones are there; tell whether they are new."""
    cert_file, key_file = folder / f"{prefix}cert.pem", folder / f"{prefix}key.pem"
    if cert_file.exists() and key_file.exists():
        kept = x509.load_pem_x509_certificate(cert_file.read_bytes())
        if authority.signed(kept) and kept.not_valid_after_utc - now > RENEWED_BEFORE:
            return False
    certificate, key = authority.issue([name, *(other for other in LOOPBACK_NAMES if other != name)], now)
    write_whole(key_file, key, 0o600)
    write_whole(cert_file, certificate, 0o644)
    return True


def _draft(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def main() -> int:
    """Issue for the directory and names given on the command line."""
    if len(sys.argv) < 3:  # noqa: PLR2004 - the program, a directory and a name
        print("usage: python -m shared.tls.issuing DIRECTORY NAME...", file=sys.stderr)
        return 2
    folder, names, now = Path(sys.argv[1]), sys.argv[2:], utc_now()
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority.kept_in(folder, now)
    fresh = [name for name in names if write_certificate(folder, name, authority, now, prefix=f"{name}.")]
    print(f"new certificates: {', '.join(fresh) or 'none were due'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
