"""The HTTP door with spans. Imported only where traces are on."""

import re

from opentelemetry.trace import SpanKind, Status, StatusCode

from services.gateway.http.asgi import Response
from services.gateway.http.doors import Door
from services.gateway.http.large_bodies import LargeBodies
from services.gateway.http.requests import Request
from shared.tracing.ids import read_traceparent
from shared.tracing.tracing import Tracing

_IDENTIFIER = re.compile(r"(?<=/)(?:[0-9]+|[0-9a-f]{8}-[0-9a-f-]{27})(?=/)")
"""What stands for an object in a path. A span is named after what all requests of its kind have in common."""

SERVER_ERROR = 500


class TracedDoor:
    """Answers requests; one whose trace is kept begins it here."""

    def __init__(self, door: Door, tracing: Tracing) -> None:
        self._door = door
        self._tracing = tracing

    @property
    def large_bodies(self) -> LargeBodies:
        """Return who decides about large bodies."""
        return self._door.large_bodies

    def body_bytes_max(self, request: Request) -> int:
        """Return how large the body of a request may be."""
        return self._door.body_bytes_max(request)

    async def answer(self, request: Request) -> Response:
        """Return the response to a request; never raises."""
        path = request.path.decode("latin-1")
        if not path.startswith("/api/") or not self._tracing.keeps(request.call_id):
            return await self._door.answer(request)
        attributes = {"http.request.method": request.method, "url.path": path, "charging.request_id": request.request_id}
        name = f"{request.method} {_IDENTIFIER.sub('{id}', path)}"
        with self._tracing.first(request.call_id, name, SpanKind.SERVER, attributes=attributes, caller=_traceparent(request)) as span:
            response = await self._door.answer(request)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= SERVER_ERROR:
                span.set_status(Status(StatusCode.ERROR))
            return response


def _traceparent(request: Request) -> str:
    """Return the caller's `traceparent`, empty for none and for one that is none."""
    value = next((value for name, value in request.all_headers if name == b"traceparent"), b"").decode("latin-1")
    return value if read_traceparent(value) is not None else ""
