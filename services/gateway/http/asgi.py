"""The few ASGI types of this door (ASGI specification, HTTP and WebSocket message format 2.3)."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

API_HEADERS: tuple[Header, ...] = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""On every answer of the API: balances are nobody's cache's business, and JSON is never to be guessed to be HTML."""


@dataclass(slots=True)
class Response:
    """One complete response; Content-Length is added when it is sent.

    `closes` ends the connection after it. A class derived from this one sends itself, message by message: a stream.
    """

    status: int
    headers: list[Header] = field(default_factory=list)
    body: bytes = b""
    closes: bool = False

    async def send(self, send: Send, *, without_body: bool = False) -> None:
        """Send the response; `without_body` for HEAD, whose answer has the headers of GET only."""
        headers = self.headers
        if self.status != NO_CONTENT:
            headers = [*headers, (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if without_body else self.body})


NO_CONTENT = 204
