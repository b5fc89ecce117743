"""Other ASGI apps within this door, by path prefix: they get what no route takes."""

import asyncio
from urllib.parse import unquote

from services.gateway.http.asgi import App, Message, Response, Scope, Send
from services.gateway.http.requests import Request

REQUEST_ID = "charging.request_id"
"""Under this name the scope's extensions hold the id that the request goes by, for answers that tell of a problem."""


class MountedResponse(Response):
    """The answer of a mounted app: it sends itself (ASGI specification, HTTP message format 2.3)."""

    def __init__(self, app: App, request: Request) -> None:
        super().__init__(200)
        self._app = app
        self._request = request

    async def send(self, send: Send, *, without_body: bool = False) -> None:
        """Run the app."""
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()  # the next thing to hear is that the client left, which `send` tells
            asked = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}

        await self._app(_scope(self._request), receive, send)


def _scope(request: Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0" if request.http_1_0 else "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(request.path.decode("ascii")),
        "raw_path": request.path,
        "query_string": request.query,
        "root_path": "",
        "headers": request.all_headers,
        "client": (request.peer, 0),
        "extensions": {REQUEST_ID: request.request_id},
    }
