"""What the server needs of whatever answers requests: the door itself, or something that stands before it."""

from typing import Protocol

from services.gateway.http.asgi import Response
from services.gateway.http.large_bodies import LargeBodies
from services.gateway.http.requests import Request


class Door(Protocol):
    """Answers requests."""

    @property
    def large_bodies(self) -> LargeBodies:
        """Return who decides about large bodies."""
        ...

    def body_bytes_max(self, request: Request) -> int:
        """Return how large the body of a request may be."""
        ...

    async def answer(self, request: Request) -> Response:
        """Return the response to a request; never raises."""
        ...
