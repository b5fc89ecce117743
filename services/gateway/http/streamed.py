"""A response whose body comes in pieces, one page of rows after the other."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from services.gateway.http.asgi import Response, Send
from services.gateway.http.requests import ClientLeftError


@dataclass(slots=True)
class StreamedResponse(Response):
    """A response of unknown length. `pieces` makes the body as it is sent, and is closed in every case; then `ended` is called.

    A failure while it is sent cannot become another status: it is raised, the connection is closed in the middle of the body, and the
    client sees that the end is missing. A client that leaves ends it: nobody reads a ledger for nobody.
    """

    pieces: AsyncGenerator[bytes, None] = field(kw_only=True)
    ended: Callable[[], None] = field(kw_only=True)

    async def send(self, send: Send, *, without_body: bool = False) -> None:
        """Send head and body."""
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            if not without_body:
                async for piece in self.pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except ClientLeftError:
            return
        finally:
            self.ended()
            await self.pieces.aclose()
