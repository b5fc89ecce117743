"""One HTTP/1.1 connection: httptools parses, this class keeps order, limits and time, and writes each response in one piece.

A connection is worked on in turn: requests that a client sends ahead (pipelining) wait until those before them are answered. There is no
ASGI in between: a request costs one task and one write (docs/decisions/0014-own-http-door.md has the figures).
"""

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import cast

import httptools

from services.gateway.http.asgi import Header, Response
from services.gateway.http.connections import Connections
from services.gateway.http.doors import Door
from services.gateway.http.large_bodies import SMALL_BYTES_MAX
from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import HEADER_BYTES_MAX, Request, too_large
from services.gateway.http.streaming import StreamedBody
from services.gateway.http.wire import CONTINUE, response_bytes
from shared.uuid7 import uuid7_text

LOGGER = logging.getLogger(__name__)

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""Of a whole request on the wire. Bodies have their own, smaller limits; this is for what they never see: endless trailers and chunk
extensions. Four times the largest body, because a body may come in very small chunks."""

REQUESTS_AHEAD_MAX = 16
"""Requests that a client may send before the answers to those before them; then nothing more is read from it for a while."""

REQUESTS_PARSED_MAX = 256
"""Requests ahead that one read may bring all the same. A client that sends more of them at once means no good."""

LINGER_SECONDS = 2.0
"""How long a connection whose request was refused half way takes what the client still sends, and throws it away (RFC 9112, 9.6): closed at
once it would be reset, and the client would learn of that and not of the reason."""

VERSIONS = frozenset({"1.0", "1.1"})


class HttpProtocol(asyncio.Protocol):
    """One connection.

    One timer watches it for as long as it lives, so that a request costs assignments and not a timer of its own. It drops a client whose
    request takes longer than `receive_timeout_seconds` to arrive, one that reads nothing of its answer for as long, and one that is idle.
    """

    _transport: asyncio.Transport
    _watcher: asyncio.TimerHandle

    def __init__(self, door: Door, shared: Connections) -> None:
        self._door = door
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self.peer = ""
        self._receiving_since: float | None = self._loop.time()
        self._idle_since = self._loop.time()
        self._message_bytes = 0
        self._written_bytes = 0
        self._taken_bytes = 0
        self._pause: asyncio.TimerHandle | None = None  # after a refusal: nothing more is read or begun until it is over
        self._held = False  # the client reads slowly: nothing more is begun for it
        self._deaf = False  # what still arrives is not looked at: this connection ends with the answers that are due
        self._refusal: ProblemError | None = None
        self._body_after_offer_bytes = 0
        self._in_head = True
        self._url = b""
        self._headers: list[Header] = []
        self._incoming: Request | None = None
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._body_bytes_max = 0
        self._ahead: deque[Request] = deque()
        self._under_way: Request | None = None
        self._stream: StreamedBody | None = None
        self._serving: asyncio.Task[None] | None = None  # the loop itself keeps only weak references to tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start watching, or refuse the connection when there are too many."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own do not inherit from it
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self._watcher = self._loop.call_later(self._shared.receive_timeout_seconds, self._watch)
        self._shared.opened(self)
        if self._shared.too_many(self.peer):
            self._refuse(ProblemError.of("OVERLOADED", "too many connections are open", headers=[(b"retry-after", b"1")]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching. A call under way goes on, its answer is nobody's; a stream ends."""
        self._watcher.cancel()
        self._end_pause()
        self._drop_ahead()
        if self._incoming is not None:
            self._door.large_bodies.leave(self._incoming)
        if self._stream is not None:
            self._stream.break_off()
        self._shared.closed(self)

    def pause_writing(self) -> None:
        """Begin nothing more for a client that reads slowly, and hold a stream back."""
        self._held = True
        if not self._transport.is_closing():
            self._transport.pause_reading()
        if self._stream is not None:
            self._stream.hold()

    def resume_writing(self) -> None:
        """Go on where `pause_writing` held."""
        self._held = False
        if self._stream is not None:
            self._stream.go_on()
        if self._under_way is None and self._pause is None and not self._transport.is_closing():
            self._go_on()

    def eof_received(self) -> bool:
        """Keep a connection whose client has sent all it wanted until its answers are sent; say whether it is kept.

        An encrypted one cannot be kept: the event loop closes both of its directions together.
        """
        self._deaf = True
        if self._alone() or self._stream is not None or self._transport.get_extra_info("sslcontext") is not None:
            return False
        self._last_due().keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless the request has become too large."""
        self._message_bytes += len(data)
        if self._deaf:
            if self._message_bytes > MESSAGE_BYTES_MAX:
                self._transport.abort()
            return
        try:
            while data and not self._deaf:
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
        self._url, self._headers = b"", []
        self._chunks, self._body_bytes = [], 0
        self._receiving_since = self._receiving_since or self._loop.time()

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which nobody reads."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Learn how large the body may be; refuse one that is announced too large, and ask for one that waits to be asked for."""
        if self._deaf:  # within one read the parser goes on
            return
        parser = self._parser
        request = self._incoming = Request.read(
            parser.get_method().decode(), self._url, self._headers, self.peer, keep_alive=parser.should_keep_alive()
        )
        version = parser.get_http_version()
        request.http_1_0 = version == "1.0"
        self._in_head = False
        if (fault := request.framing_fault() if version in VERSIONS else "the request is not HTTP/1.1") is not None:
            self._refuse(ProblemError.of("INVALID_ARGUMENT", fault))
            return
        self._body_bytes_max = self._door.body_bytes_max(request)
        announced = request.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._body_bytes_max:
            self._refuse(too_large(self._body_bytes_max))
            return
        if announced.isdigit() and int(announced) > SMALL_BYTES_MAX and not self._admitted(request):
            return
        if request.headers.get(b"expect", b"").lower() == b"100-continue" and not request.http_1_0 and self._alone():
            self._send(CONTINUE)
        if parser.should_upgrade():
            self._expect_body_after_offer(request)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, unless it has become too large."""
        self._body_bytes += len(body)
        if self._incoming is None:
            return
        if self._body_bytes > self._body_bytes_max:
            self._refuse(too_large(self._body_bytes_max))
        elif self._body_bytes <= SMALL_BYTES_MAX or self._admitted(self._incoming):
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Serve the request, after those before it. The parser only thinks that it is complete while a body follows an offer."""
        request, self._incoming = self._incoming, None
        if self._body_after_offer_bytes or request is None:
            self._incoming = request
            return
        self._receiving_since = None
        self._message_bytes = 0
        self._in_head = True
        request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._deaf = self._deaf or not request.keep_alive  # RFC 9112, 9.6: what follows the last request is not looked at
        if self._under_way is None and not self._held and self._pause is None:
            self._begin(request)
            return
        self._ahead.append(request)
        if len(self._ahead) >= REQUESTS_AHEAD_MAX:
            self._transport.pause_reading()
        if len(self._ahead) >= REQUESTS_PARSED_MAX:
            self._refuse(ProblemError.of("INVALID_ARGUMENT", f"more than {REQUESTS_PARSED_MAX} requests were sent ahead"))

    def end_after_response(self) -> None:
        """Tell the client of a request under way, by `Connection: close`, that it is the last one on this connection.

        A connection that is not read for a while is read now: what its client has sent already is still answered.
        """
        if self._under_way is not None:
            self._under_way.keep_alive = False
        elif self._pause is not None:
            self._read_again()

    def end_when_idle(self) -> None:
        """Close now unless a request is under way; then it is the last one."""
        self.end_after_response()
        if self._stream is not None:
            self._stream.break_off()
        if self._under_way is None:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def _begin(self, request: Request) -> None:
        self._under_way = request
        self._serving = self._loop.create_task(self._serve(request))

    async def _serve(self, request: Request) -> None:
        refused = False
        try:
            response = await self._door.answer(request)
            refused = response.status == HTTPStatus.SERVICE_UNAVAILABLE
            self._shared.answered[response.status] += 1
            if type(response) is not Response:
                await self._send_stream(request, response)
            elif not self._transport.is_closing():
                self._write(request, response)
        except BaseException as error:
            # Whoever waits for this answer must not wait for ever.
            self._transport.abort()
            if not isinstance(error, Exception):
                raise
            LOGGER.exception("the answer to request %s could not be sent", request.request_id)
        self._end(request, refused=refused)

    def _write(self, request: Request, response: Response) -> None:
        if self._shared.draining or response.closes:
            request.keep_alive = False
        self._send(response_bytes(request, response, self._shared.date_line))

    def _send(self, data: bytes) -> None:
        self._written_bytes += len(data)
        self._transport.write(data)

    async def _send_stream(self, request: Request, response: Response) -> None:
        if self._shared.draining:
            request.keep_alive = False
        self._stream = StreamedBody(request, self._transport, self._send, self._shared.date_line, held=self._held)
        try:
            await response.send(self._stream.send, without_body=request.method == "HEAD")
        except Exception:
            LOGGER.exception("the answer to request %s broke off", request.request_id)
        finally:
            # A body that ended half way must not look whole: only the end of the connection says so.
            request.keep_alive = request.keep_alive and self._stream.whole
            self._stream = None

    def _end(self, request: Request, *, refused: bool) -> None:
        """Go on to the next request of this connection, at once or, after a refusal, at the door's pace."""
        self._under_way = None
        self._door.large_bodies.leave(request)
        self._idle_since = self._loop.time()
        if not request.keep_alive or self._transport.is_closing():
            self._drop_ahead()
            self._transport.close()
        elif refused:
            self._transport.pause_reading()
            self._pause = self._loop.call_later(self._shared.refusals.begin(), self._read_again)
        elif not self._held:
            self._go_on()

    def _read_again(self) -> None:
        self._end_pause()
        if not self._held and not self._transport.is_closing():
            self._go_on()

    def _end_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
            self._shared.refusals.end()

    def _go_on(self) -> None:
        """Begin the next request, and read more when there is none; end the connection when nothing more is to come."""
        if self._ahead:
            self._begin(self._ahead.popleft())
        if not self._ahead and not self._deaf:
            self._transport.resume_reading()
        if self._alone() and self._refusal is not None:
            self._refuse(self._refusal)

    def _admitted(self, request: Request) -> bool:
        """Tell whether a large body is taken; otherwise the request is refused."""
        try:
            self._door.large_bodies.admit(request)
        except ProblemError as problem:
            self._refuse(problem)
            return False
        return True

    def _drop_ahead(self) -> None:
        for request in self._ahead:
            self._door.large_bodies.leave(request)
        self._ahead.clear()

    def _watch(self) -> None:
        now, timeout = self._loop.time(), self._shared.receive_timeout_seconds
        unsent = self._transport.get_write_buffer_size()
        taken = self._written_bytes - unsent
        if unsent and taken == self._taken_bytes:
            self._transport.abort()
            return
        self._taken_bytes = taken
        # Time in which this side was busy with requests before it is not the client's.
        elapsed = now - max(self._receiving_since, self._idle_since) if self._receiving_since is not None and self._alone() else 0.0
        if elapsed >= timeout:
            self._refuse(ProblemError.of("REQUEST_TIMEOUT", f"the request did not arrive within {timeout:g} seconds"))
            elapsed = 0.0
        elif self._receiving_since is None and self._alone() and now - self._idle_since >= self._shared.keep_alive_seconds:
            self._transport.close()
        self._watcher = self._loop.call_later(timeout - elapsed, self._watch)

    def _alone(self) -> bool:
        """Tell whether what arrives is the only request without an answer, so that what is written now can be meant for no other."""
        return self._under_way is None and not self._ahead

    def _last_due(self) -> Request:
        """Return the last of the requests that wait for their answers; there is one unless `_alone`."""
        return self._ahead[-1] if self._ahead else cast("Request", self._under_way)

    def _refuse(self, problem: ProblemError) -> None:
        """Send a problem and close the connection, after the answers that are due; what still arrives is not looked at."""
        if self._transport.is_closing():
            return
        self._deaf = True
        self._receiving_since = None
        request, self._incoming = self._incoming, None
        self._chunks = []
        if request is not None:
            self._door.large_bodies.leave(request)
        if not self._alone():
            self._refusal = self._refusal or problem
            return
        request = request or Request.read("GET", b"/", [], self.peer, keep_alive=False)
        request.keep_alive = False
        self._send(response_bytes(request, problem.response(uuid7_text()), self._shared.date_line))
        if self._shared.too_many(self.peer):
            self._transport.close()
        else:
            if self._transport.can_write_eof():  # TLS has no half-closed connections
                self._transport.write_eof()
            self._transport.resume_reading()
            self._loop.call_later(LINGER_SECONDS, self._transport.close)

    # An offer to speak another protocol (Upgrade: h2c, which Java's client makes by itself) may be ignored: RFC 9110, 7.8. The parser
    # however believes it: it stops at the end of the head, and would take the body for the next request: so requests are smuggled.

    def _parse(self, data: bytes) -> bytes:
        """Give the parser what arrived, and return what it left over because of an offer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return data[offer.args[0] :]
        return b""

    def _expect_body_after_offer(self, request: Request) -> None:
        if b"transfer-encoding" in request.headers:
            self._refuse(ProblemError.of("INVALID_ARGUMENT", "a chunked request cannot offer to upgrade: leave out Upgrade"))
            return
        request.keep_alive = b"close" not in request.headers.get(b"connection", b"").lower()
        self._body_after_offer_bytes = int(request.headers.get(b"content-length", b"0"))

    def _take_body(self, data: bytes) -> bytes:
        """Take the body that the parser does not see, and return what follows it."""
        body, rest = data[: self._body_after_offer_bytes], data[self._body_after_offer_bytes :]
        self._body_after_offer_bytes -= len(body)
        self.on_body(body)
        if not self._body_after_offer_bytes:
            self.on_message_complete()
        return rest
