"""Server-Sent Events (WHATWG HTML, 9.2): a method that streams, as an answer to `Accept: text/event-stream`.

The method's messages have the fields `event` and `next_after`. One with an event becomes an event: `id` is its number, `event` its type,
`data` its JSON. One without becomes a comment, which tells proxies and clients that the stream lives, and moves the id on.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from services.gateway.http.asgi import API_HEADERS, Header, Response, Send
from services.gateway.http.bindings import Binding
from services.gateway.http.client_address import ClientAddresses
from services.gateway.http.contract import ContractError
from services.gateway.http.failures import problem_of
from services.gateway.http.forwarding import call_metadata
from services.gateway.http.json_writer import JsonWriter, encode_json
from services.gateway.http.parameters import ParameterReader
from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import ClientLeftError, Request
from services.gateway.http.unreadable import UnreadableError
from shared.errors import FieldViolation
from shared.policy import method_name
from shared.transport.backend import Backend, StreamFailed

MEDIA_TYPE = b"text/event-stream"

TIMEOUT_SECONDS = 1_200.0
"""Of a stream; the service ends each one earlier."""

RETRY_MS = 1_000
"""After how long a client opens a stream that ended again."""

LOOK_SECONDS = 1.0
"""How often a silent stream looks whether its client is still there."""

UNBUFFERED: Header = (b"x-accel-buffering", b"no")
"""What nginx goes by: events are of no use in its buffer."""

_NUMBER = re.compile(rb"0|[1-9][0-9]{0,15}")


def wants_events(request: Request) -> bool:
    """Tell whether a request asks for a stream."""
    accepted = request.headers.get(b"accept", b"").lower().split(b",")
    return any(each.partition(b";")[0].strip() == MEDIA_TYPE for each in accepted)


class StreamEndpoint:
    """Serves one binding of a method that streams."""

    def __init__(self, binding: Binding, backend: Backend, *, writer: JsonWriter, addresses: ClientAddresses) -> None:
        method = binding.method
        answer = method.output_type
        if {"event", "next_after"} - set(answer.fields_by_name) or "after" not in method.input_type.fields_by_name:
            raise ContractError(f"{method_name(method)}: a stream of events needs `after`, `event` and `next_after`")
        self._backend = backend
        self._name = method_name(method)
        self._request_type = method.input_type
        self._make_request = GetMessageClass(method.input_type)
        self._parse = GetMessageClass(answer).FromString
        self._write = writer.for_message(answer)
        self._parameters = ParameterReader(method.input_type, binding.variables, query=True)
        self._addresses = addresses

    async def answer(self, request: Request, values: tuple[str, ...]) -> Response:
        """Return the stream that a request opens, once its first message is there. Raises ProblemError where it does not open."""
        request.refuse_body()
        try:
            content = self._parameters.read(values, request.query)
        except UnreadableError as error:
            raise ProblemError.unreadable(error, "the query") from None
        if (number := _last_event_id(request)) is not None:
            content["after"] = number
        metadata = call_metadata(request, self._addresses, make_key=False)
        messages = self._backend.stream(self._name, self._make_request(**content).SerializeToString(), metadata, TIMEOUT_SECONDS)
        try:
            first = await anext(messages, None)
        except StreamFailed as failure:
            raise problem_of(failure.answer, self._request_type) from None
        if first is None:
            raise ProblemError.of("SHUTTING_DOWN", "this process is leaving", headers=[(b"retry-after", b"1")])
        return EventStream(self._texts(first, messages), request.request_id)

    async def _texts(self, first: bytes, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % RETRY_MS + self._text(first)
        async with contextlib.aclosing(messages) as rest:  # type: ignore[type-var]  # every backend's stream is a generator
            try:
                async for message in rest:
                    yield self._text(message)
            except StreamFailed:
                return  # The client comes back, and is then told by a status what is wrong.

    def _text(self, content: bytes) -> bytes:
        message: Any = self._write(self._parse(content))
        event = message.get("event")
        if event is None:
            return b": alive\nid: %d\n\n" % message["next_after"]
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (message["next_after"], str(event["type"]).encode(), encode_json(event))


class EventStream(Response):
    """The response that carries a stream. It ends when its messages do, and soon after the client has left."""

    def __init__(self, texts: AsyncIterator[bytes], request_id: str) -> None:
        super().__init__(200, [(b"content-type", MEDIA_TYPE), (b"x-request-id", request_id.encode()), *API_HEADERS, UNBUFFERED])
        self._texts = texts

    async def send(self, send: Send, *, without_body: bool = False) -> None:
        """Send events as they come. A reader that takes nothing is dropped by the connection's own watch."""
        with contextlib.suppress(ClientLeftError):
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            async with contextlib.aclosing(self._texts) as texts:  # type: ignore[type-var]  # made by a generator
                await _send_all(texts, send)


async def _send_all(texts: AsyncIterator[bytes], send: Send) -> None:
    coming: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            coming = coming or asyncio.create_task(_next(texts))
            await asyncio.wait({coming}, timeout=LOOK_SECONDS)
            if not coming.done():
                await send({"type": "http.response.body", "body": b"", "more_body": True})  # raises once nobody listens
                continue
            text = coming.result()
            coming = None
            await send({"type": "http.response.body", "body": text or b"", "more_body": text is not None})
            if text is None:
                return
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait({coming})


async def _next(texts: AsyncIterator[bytes]) -> bytes | None:
    return await anext(texts, None)


def _last_event_id(request: Request) -> int | None:
    """Return the number at which a client wants to go on after a break; it is newer than the one in the query that it repeats."""
    value = request.headers.get(b"last-event-id")
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        violation = FieldViolation("Last-Event-ID", "must be the number of an event")
        raise ProblemError.of("INVALID_ARGUMENT", f"{violation.field} {violation.message}", errors=[violation])
    return int(value)
