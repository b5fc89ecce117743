"""How clients beside a process check its HTTPS."""

import http.client
import ssl
from pathlib import Path
from urllib.parse import SplitResult


def pinned(cert_file: Path) -> ssl.SSLContext:
    """Return what believes the one who has the key of this very certificate, whatever its name. Raises OSError and ssl.SSLError.

    For checks of a process from beside it: they know its certificate, and reach it by an address that need not be in there.
    """
    context = ssl.create_default_context(cafile=cert_file)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def open_http(url: SplitResult, *, timeout_seconds: float, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """Return a connection for the scheme of the URL; without `context`, HTTPS is checked by what this machine trusts."""
    if url.scheme == "https":
        return http.client.HTTPSConnection(url.hostname or "", url.port, timeout=timeout_seconds, context=context)
    return http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout_seconds)
