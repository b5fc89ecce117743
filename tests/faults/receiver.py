"""A partner's webhook endpoint: takes whatever comes, in a thread of its own, and keeps it in the order in which it came."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from shared.local.ports import LOOPBACK
from tests.faults.model_feeds import Message


class _Server(ThreadingHTTPServer):
    """Serves each connection in a thread."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of what broke, unless it is that whoever called was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class WebhookReceiver:
    """Listens from entering to leaving. `messages` holds what was taken; what `refusals` says is answered first, one status at a time."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.refusals: list[int] = []
        self._server = _Server((LOOPBACK, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="receiver", daemon=True)
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: bytes) -> int:
        """Keep a message, and return the status to answer with: what is refused was not taken."""
        if self.refusals:
            return self.refusals.pop(0)
        event: dict[str, Any] = json.loads(body)["data"]
        self.messages.append(Message(event["seq"], event["type"], event.get("vendor_balance")))
        return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Take one message; one that breaks off was not sent."""
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    raise ConnectionResetError
                self.send_response(receiver.take(body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Say nothing."""

        return Handler
