"""A response that is sent while it is made: what a mounted app or a long answer writes to."""

import asyncio
from collections.abc import Callable

from services.gateway.http.asgi import Message
from services.gateway.http.requests import ClientLeftError, Request
from services.gateway.http.wire import head_bytes


class StreamedBody:
    """Takes the messages `http.response.start` and `http.response.body` (ASGI specification) and writes them as they come.

    Without a Content-Length the body goes in chunks, or to the end of the connection for a client that speaks HTTP/1.0.
    """

    def __init__(
        self, request: Request, transport: asyncio.WriteTransport, write: Callable[[bytes], None], date_line: bytes, *, held: bool
    ) -> None:
        """`write` is how bytes get to the transport; `held` says that the client has not yet read what was sent before."""
        self._request = request
        self._transport = transport
        self._write_bytes = write
        self._date_line = date_line
        self._room = asyncio.Event()
        if not held:
            self._room.set()
        self._head = b""
        self._chunked = False
        self._bodiless = False
        self.whole = False
        """Whether the body was sent to its end."""

    async def send(self, message: Message) -> None:
        """Write one message, and wait while the client is slow to read. Raises ClientLeftError once the client is gone."""
        if self._transport.is_closing():
            raise ClientLeftError
        if message["type"] == "http.response.start":
            self._begin(message["status"], list(message.get("headers", ())))
            return
        self._write(message.get("body", b""), last=not message.get("more_body", False))
        await self._room.wait()
        if self._transport.is_closing():
            raise ClientLeftError

    def hold(self) -> None:
        """Let senders wait."""
        self._room.clear()

    def go_on(self) -> None:
        """Let senders go on."""
        self._room.set()

    def break_off(self) -> None:
        """Close: whoever sends next is told that nobody listens."""
        self._transport.close()
        self._room.set()

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        sized = any(name == b"content-length" for name, _ in headers)
        self._bodiless = self._request.method == "HEAD"
        self._chunked = not sized and not self._request.http_1_0 and status not in (204, 304)
        if self._chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        elif not sized:
            self._request.keep_alive = False
        self._head = head_bytes(self._request, status, headers, self._date_line) + b"\r\n"

    def _write(self, body: bytes, *, last: bool) -> None:
        data, self._head = self._head, b""
        if not self._bodiless:
            if self._chunked:
                data += b"%x\r\n%b\r\n" % (len(body), body) if body else b""
                data += b"0\r\n\r\n" if last else b""
            else:
                data += body
        self._write_bytes(data)
        self.whole = last
