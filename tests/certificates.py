"""Certificates for tests, made when they are asked for."""

import ssl
from itertools import count
from pathlib import Path

from shared.clock import utc_now
from shared.tls.files import TlsFiles
from shared.tls.issuing import Authority


class Certificates:
    """An authority of its own, and the files of what it issues below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority.new(utc_now())
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.authority.pem)
        self._numbers = count(1)

    @property
    def trust(self) -> ssl.SSLContext:
        """Return what believes this authority."""
        return ssl.create_default_context(cafile=self.ca_file)

    def issue(self, *names: str, days: int = 1) -> TlsFiles:
        """Return the files of a new certificate for these host names and addresses."""
        number = next(self._numbers)
        files = TlsFiles(self.folder / f"{number}.cert.pem", self.folder / f"{number}.key.pem", self.ca_file)
        self.replace(files, *names, days=days)
        return files

    def replace(self, files: TlsFiles, *names: str, days: int = 1) -> None:
        """Write a new certificate into the files."""
        certificate, key = self.authority.issue(names, utc_now(), days=days)
        files.cert_file.write_bytes(certificate)
        files.key_file.write_bytes(key)

    def of_the_door(self, *names: str) -> dict[str, Path]:
        """Return the settings of an HTTP door with a certificate for these names."""
        files = self.issue(*names)
        return {"http_tls_cert_file": files.cert_file, "http_tls_key_file": files.key_file}
