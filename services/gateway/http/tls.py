"""The certificate of the HTTP door, exchanged without a restart when its files are."""

import asyncio
import ssl
from typing import Any

import structlog

from shared.tls.files import RenewedFiles, TlsFiles

CHECK_SECONDS = 5
"""Between two looks at the files: three system calls, and a new certificate is in force before anybody has turned around."""

HANDSHAKE_SECONDS_MAX = 10
"""As long as a client may take to send a request: before the handshake ends a connection is not counted, so it may not be held open."""

SHUTDOWN_SECONDS_MAX = 2
"""How long a closed connection waits for the other side's farewell, which many clients never send."""

log = structlog.get_logger(__name__)


class HttpsDoor:
    """What new connections are greeted with. TLS 1.2 and 1.3, and HTTP/1.1 in them."""

    def __init__(self, files: TlsFiles) -> None:
        """Load the certificate. Raises BadTlsFile."""
        self._files = files
        self._renewed = RenewedFiles(files)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._load()

    @property
    def server_options(self) -> dict[str, Any]:
        """Return what `create_server` is to be told."""
        return {"ssl": self.context, "ssl_handshake_timeout": HANDSHAKE_SECONDS_MAX, "ssl_shutdown_timeout": SHUTDOWN_SECONDS_MAX}

    def renew(self) -> None:
        """Take a new certificate for the connections that begin from now on, if there is one that fits its key. Never raises."""
        if self._renewed.renewed() is None:
            return
        try:
            self._load()
        except (OSError, ssl.SSLError) as error:
            log.warning("tls.not_renewed", reason=str(error))

    async def keep_renewed(self) -> None:
        """Look at the files every few seconds until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.renew()

    def _load(self) -> None:
        self.context.load_cert_chain(self._files.cert_file, self._files.key_file)
