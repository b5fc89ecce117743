"""uvicorn's HTTP/1.1 protocol, with what it lacks: limits on the time and size of an arriving request and on connections, a soft end."""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import HEADER_BYTES_MAX
from shared.uuid7 import uuid7_text

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""Of a whole request on the wire. The app holds bodies to their own, smaller limits; this is for what it never sees: endless trailers and
chunk extensions. Four times the largest body, because a body may come in very small chunks."""


class Connections:
    """What the connections of one server have in common."""

    def __init__(self, *, receive_timeout_seconds: float, connections_max: int) -> None:
        self.receive_timeout_seconds = receive_timeout_seconds
        self.connections_max = connections_max
        self.draining = False
        self.emptied = asyncio.Event()
        """Set while draining as soon as no connection is left."""


def protocol_of(shared: Connections) -> type["HttpProtocol"]:
    """Return the protocol class of one server. uvicorn's constructor takes no more arguments, so what is shared comes with the class."""
    return type("BoundHttpProtocol", (HttpProtocol,), {"shared": shared})


class JoinedWrites:
    """A transport that sends the head of a response together with its first body bytes: one system call and one packet, not two.

    uvicorn writes the head by itself. It is held back until the next write, or until this turn of the loop ends.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the data, now or with what follows it in this turn."""
        if self._held:
            self._transport.write(self._held + data)
            self._held = b""
        elif data:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is held back."""
        if self._held:
            self._transport.write(self._held)
            self._held = b""

    def close(self) -> None:
        """Send what is held back, then close."""
        self.flush()
        self._transport.close()


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    One timer watches it for as long as it lives, so that a request costs assignments and not a timer of its own. It drops a client whose
    request takes longer than `receive_timeout_seconds` to arrive, and one that reads nothing of its answer for as long.
    """

    shared: ClassVar[Connections]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start watching, or refuse the connection when there are too many."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        self._receiving_since: float | None = self.loop.time()
        self._message_bytes = 0
        self._in_head = True
        self._unsent_bytes = 0
        self._body_after_offer_bytes = 0
        self._watcher = self.loop.call_later(self.shared.receive_timeout_seconds, self._watch)
        if len(self.connections) > self.shared.connections_max:
            self._refuse(ProblemError.of("OVERLOADED", "too many connections are open", headers=[(b"retry-after", b"1")]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        super().connection_lost(exc)
        self._watcher.cancel()
        if self.shared.draining and not self.connections:
            self.shared.emptied.set()

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless the request has become too large."""
        self._unset_keepalive_if_required()
        self._message_bytes += len(data)
        try:
            while data:
                data = self._take_body(data) if self._body_after_offer_bytes else self._parse(data)
        except httptools.HttpParserError:
            self._refuse(ProblemError.of("INVALID_ARGUMENT", "the request is not valid HTTP/1.1"))
            return
        if self._in_head and self._message_bytes > HEADER_BYTES_MAX:
            self._refuse(ProblemError.of("HEADERS_TOO_LARGE", f"the request line and headers are larger than {HEADER_BYTES_MAX} bytes"))
        elif self._message_bytes > MESSAGE_BYTES_MAX:
            self._refuse(ProblemError.of("BODY_TOO_LARGE", f"the request is larger than {MESSAGE_BYTES_MAX} bytes"))

    def on_message_begin(self) -> None:
        """Note when the request began to arrive."""
        super().on_message_begin()
        self._receiving_since = self._receiving_since or self.loop.time()

    def on_headers_complete(self) -> None:
        """Start the request; during a drain it is the last one of its connection."""
        super().on_headers_complete()
        self._in_head = False
        if self.parser.should_upgrade():
            self._expect_body_after_offer()
        if self.shared.draining:
            self.end_after_response()

    def on_message_complete(self) -> None:
        """Note that the whole request is here, unless the parser only thinks so."""
        if self._body_after_offer_bytes:
            return
        self._receiving_since = None
        self._message_bytes = 0
        self._in_head = True
        super().on_message_complete()

    def end_after_response(self) -> None:
        """Tell the client of a request under way, by `Connection: close`, that it is the last one on this connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def _watch(self) -> None:
        timeout = self.shared.receive_timeout_seconds
        elapsed = self.loop.time() - self._receiving_since if self._receiving_since is not None else 0.0
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent == self._unsent_bytes:
            self.transport.abort()
            return
        if elapsed >= timeout:
            self._refuse(ProblemError.of("REQUEST_TIMEOUT", f"the request did not arrive within {timeout:g} seconds"))
            elapsed = 0.0
        self._unsent_bytes = unsent
        self._watcher = self.loop.call_later(timeout - elapsed, self._watch)

    def _refuse(self, problem: ProblemError) -> None:
        """Send a problem, where the client would not take it for the answer to another request, and close the connection."""
        if self.transport.is_closing():
            return
        if self._unanswered():
            response = problem.response(uuid7_text())
            head = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}".encode()]
            head += [name + b": " + value for name, value in (*self.server_state.default_headers, *response.headers)]
            head += [b"content-length: %d" % len(response.body), b"connection: close", b"", b""]
            self.transport.write(b"\r\n".join(head) + response.body)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # nothing is done for a request that was just refused
            self.cycle.message_event.set()
        self.transport.close()

    def _unanswered(self) -> bool:
        """Tell whether what arrives is the only request without an answer, so that a response now can be to no other."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return not self._in_head and not self.pipeline and not self.cycle.response_started

    # An offer to speak another protocol (Upgrade: h2c, which Java's client makes by itself) may be ignored: RFC 9110, 7.8. The parser
    # however believes it: it stops at the end of the head, and would take the body for the next request: so requests are smuggled.

    def _parse(self, data: bytes) -> bytes:
        """Give the parser what arrived, and return what it left over because of an offer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return data[offer.args[0] :]
        return b""

    def _expect_body_after_offer(self) -> None:
        headers = dict(self.headers)
        if b"transfer-encoding" in headers:
            self._refuse(ProblemError.of("INVALID_ARGUMENT", "a chunked request cannot offer to upgrade: leave out Upgrade"))
        self._body_after_offer_bytes = int(headers.get(b"content-length", b"0"))

    def _take_body(self, data: bytes) -> bytes:
        """Take the body that the parser does not see, and return what follows it."""
        body, rest = data[: self._body_after_offer_bytes], data[self._body_after_offer_bytes :]
        self._body_after_offer_bytes -= len(body)
        self.on_body(body)
        if not self._body_after_offer_bytes:
            self.on_message_complete()
        return rest
