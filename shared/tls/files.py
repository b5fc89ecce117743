"""The files that TLS is made of, checked before anything is served with them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.clock import utc_now

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]


class BadTlsFile(ValueError):
    """A file of TLS is of no use; the message names the setting, the file and the reason, and nothing of its content."""


@dataclass(frozen=True, slots=True)
class TlsContent:
    """What the files hold, as PEM. `ca` is empty where there is none."""

    chain: bytes
    key: bytes
    ca: bytes = b""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate chain, its private key, and the certificates of the authority that other parties' are checked against.

    `settings` is what the names of their settings begin with, for messages: `CHARGING_TLS` stands for `CHARGING_TLS_CERT_FILE`.
    """

    cert_file: Path
    key_file: Path
    ca_file: Path | None = None
    settings: str = "CHARGING_TLS"

    def read(self, *, now: datetime) -> TlsContent:
        """Return the content of the files.

        Raises BadTlsFile where one is missing, unreadable, not PEM, expired at `now`, or does not fit the other.
        """
        chain, key = self._content("CERT", self.cert_file), self._content("KEY", self.key_file)
        ca = self._content("CA", self.ca_file) if self.ca_file is not None else b""
        certificate = self._first_certificate("CERT", self.cert_file, chain)
        if not isinstance(certificate.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise self._bad("CERT", self.cert_file, "gRPC takes RSA and ECDSA certificates only")
        if certificate.not_valid_after_utc <= now:
            raise self._bad("CERT", self.cert_file, f"the certificate expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}")
        try:
            private_key = load_pem_private_key(key, password=None)
        except TypeError:
            raise self._bad(
                "KEY", self.key_file, "the key is encrypted; give it without a passphrase, readable by its owner only"
            ) from None
        except ValueError:
            raise self._bad("KEY", self.key_file, "there is no private key in PEM in it") from None
        if private_key.public_key() != certificate.public_key():
            raise self._bad("KEY", self.key_file, f"it is not the key of the certificate in {self.settings}_CERT_FILE")
        if self.ca_file is not None:
            self._first_certificate("CA", self.ca_file, ca)
        return TlsContent(chain, key, ca)

    def server_names(self) -> list[str]:
        """Return the host names in the certificate. Raises BadTlsFile."""
        certificate = self._first_certificate("CERT", self.cert_file, self._content("CERT", self.cert_file))
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return []
        return list(names.get_values_for_type(x509.DNSName))

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Return what changes whenever a file is written or replaced. Raises OSError where one is missing."""
        states = [path.stat() for path in (self.cert_file, self.key_file, self.ca_file) if path is not None]
        return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in states)

    def _content(self, which: str, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._bad(which, path, error.strerror or type(error).__name__) from None

    def _first_certificate(self, which: str, path: Path, content: bytes) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificates(content)[0]
        except ValueError:
            raise self._bad(which, path, "there is no certificate in PEM in it") from None

    def _bad(self, which: str, path: Path, reason: str) -> BadTlsFile:
        return BadTlsFile(f"{self.settings}_{which}_FILE: {path}: {reason}")


class RenewedFiles:
    """Files that may be replaced while they are in use. `content` is the last that was whole.

    Whoever is just replacing them one by one is waited for: what does not fit together is told in the log once, and the old goes on.
    """

    def __init__(self, files: TlsFiles, clock: Clock = utc_now) -> None:
        """Read the files. Raises BadTlsFile."""
        self._files = files
        self._clock = clock
        self._seen: object = None
        self._lock = threading.Lock()  # gRPC asks on threads of its own
        self.content = files.read(now=clock())
        self._seen = self._stamp()

    def renewed(self) -> TlsContent | None:
        """Return the content if it has changed since it was last asked for or read, else None. Never raises."""
        with self._lock:
            stamp = self._stamp()
            if stamp == self._seen:
                return None
            self._seen = stamp
            try:
                self.content = self._files.read(now=self._clock())
            except BadTlsFile as error:
                log.warning("tls.not_renewed", reason=str(error))
                return None
            log.info("tls.renewed", cert_file=str(self._files.cert_file))
            return self.content

    def _stamp(self) -> object:
        try:
            return self._files.stamp()
        except OSError as error:
            return error.errno
