"""One keep-alive HTTP/1.1 connection of a load generator: requests are ready bytes, and of an answer only what is counted is read."""

import asyncio
import re
from collections.abc import Callable
from typing import Final, cast

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_STATUS: Final = slice(9, 12)
_CLOSES: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)

BROKEN = 0
"""Status of a request whose connection was lost before its answer."""


class HttpConnection(asyncio.Protocol):
    """Sends one request at a time. `answered` is told the connection, the status and the body."""

    def __init__(self, answered: Callable[["HttpConnection", int, bytes], None]) -> None:
        self.open = False
        self.due = 0.0
        """When the request under way was due, on the clock `time.perf_counter`: uvloop's own knows whole milliseconds only."""

        self.busy = False
        """Whether a request is under way."""

        self.waits = False
        """Whether that request asked to be answered only when its charge is final."""

        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()

    def send(self, request: bytes, due: float, waits: bool = False) -> None:
        """Send a request; the one before must have been answered."""
        assert self._transport is not None  # noqa: S101 - only open connections are handed out
        self.due, self.waits, self.busy = due, waits, True
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to send to."""
        # TCP; uvloop's transports are no subclasses of asyncio's.
        self._transport, self.open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """Report an answer as soon as it is whole."""
        received = self._received
        received += data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _LENGTH.search(received, 0, head_end)
        end = head_end + 4 + (int(length[1]) if length is not None else 0)
        if len(received) < end:
            return
        if not self.busy:
            # Nobody asked: a server tells a connection on which no request came for some seconds that it ends. That is no answer to count.
            self.open = False
            self.close()
            return
        status = int(received[_STATUS])
        body = bytes(received[head_end + 4 : end])
        if _CLOSES.search(received, 0, head_end) is not None:
            self.open = False
            self.close()
        received.clear()
        self.busy = False
        self._answered(self, status, body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report a request that will not be answered any more."""
        self.open = False
        if self.busy:
            self.busy = False
            self._answered(self, BROKEN, b"")
