"""One binding of one method, compiled: request in, call out, response back."""

from functools import partial

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.gateway.http.asgi import NO_CONTENT, Header, Response
from services.gateway.http.bindings import Binding
from services.gateway.http.client_address import ClientAddresses
from services.gateway.http.contract import ContractError
from services.gateway.http.csv_body import CsvRequest, csv_body_of
from services.gateway.http.failures import problem_of
from services.gateway.http.forwarding import call_metadata
from services.gateway.http.json_names import json_name
from services.gateway.http.json_reader import JsonReader
from services.gateway.http.json_text import parse_json
from services.gateway.http.json_writer import JsonWriter, encode_json
from services.gateway.http.large_bodies import SMALL_BYTES_MAX, LargeBodies
from services.gateway.http.parameters import ParameterReader
from services.gateway.http.preferences import preferred_wait_seconds
from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import Request
from services.gateway.http.row_stream import RowStream, row_stream_of
from services.gateway.http.stream_places import StreamPlaces
from services.gateway.http.success import cacheable_headers, location_rule, status_rule, trailer_headers
from services.gateway.http.unreadable import UnreadableError
from shared.errors import FieldViolation
from shared.policy import IdempotencyScope, http_facts_of, method_name, policy_of, rules_of
from shared.transport.backend import Answer, Backend

WAIT_FIELD = "wait_seconds"
_OK = 0
_JSON: Header = (b"content-type", b"application/json")


class Endpoint:
    """Serves one binding. Everything that the contract tells is worked out here, once, before the first request."""

    def __init__(
        self,
        binding: Binding,
        backend: Backend,
        *,
        reader: JsonReader,
        writer: JsonWriter,
        addresses: ClientAddresses,
        places: StreamPlaces,
        timeout_seconds: float,
        large_bodies: LargeBodies,
    ) -> None:
        method = binding.method
        policy = policy_of(method)
        if policy is None:
            raise ContractError(f"{method_name(method)} has an HTTP binding and no policy: nobody could call it")
        self.binding = binding
        self._backend = backend
        self._name = method_name(method)
        self._request_type = method.input_type
        self._make_request = GetMessageClass(method.input_type)
        self._parse_response = GetMessageClass(method.output_type).FromString
        self._write_response = writer.for_message(method.output_type)
        self._status = status_rule(method)
        self._location = location_rule(method)
        self.body_bytes_max = http_facts_of(method).max_body_bytes or SMALL_BYTES_MAX
        self._parameters = ParameterReader(method.input_type, binding.variables, query=not binding.takes_body)
        self._from_path = {json_name(method.input_type.fields_by_name[name]) for name in binding.variables}
        self._read_body = reader.for_request(method.input_type, self._from_path) if binding.takes_body else None
        self._required = [
            json_name(field) for field in method.input_type.fields if rules_of(field).required and json_name(field) not in self._from_path
        ]
        self._addresses = addresses
        self._make_key = policy.idempotency_scope in (IdempotencyScope.VENDOR, IdempotencyScope.OWNER)
        self._timeout_seconds = timeout_seconds
        self._large_bodies = large_bodies
        wait_field = method.input_type.fields_by_name.get(WAIT_FIELD) if policy.waitable else None
        self._wait_seconds_max = rules_of(wait_field).max if wait_field is not None else 0
        self._deprecation = _deprecation(binding)
        self._usual_headers = cacheable_headers(method)
        self._rows = row_stream_of(method, writer, places)
        self._csv = csv_body_of(binding)

    async def answer(self, request: Request, values: tuple[str, ...]) -> Response:
        """Return the response to a request; `values` are those of the path variables. Raises ProblemError."""
        metadata = call_metadata(request, self._addresses, make_key=self._make_key)
        file: CsvRequest | None = None
        if self._csv is not None and request.has_csv():
            file = await self._csv.read(request.csv_body(self.body_bytes_max), values, request.query)
            message = file.message
        elif request.large_of:
            message = await self._large_bodies.in_turn(partial(self._message, request, values))
        else:
            message = self._message(request, values)
        try:
            return await self._answer(request, message, metadata)
        except ProblemError as problem:
            raise (problem if file is None else file.named_by_line(problem)) from None

    async def _answer(self, request: Request, message: Message, metadata: list[tuple[str, str]]) -> Response:
        applied = self._apply_preference(request, message) if self._wait_seconds_max else None
        if self._rows is not None and (media_type := self._rows.wanted(request)) is not None:
            return await self._stream(self._rows, media_type, request, message, metadata)
        wait = self._wait(message)
        answer = await self._backend.call(self._name, message.SerializeToString(), metadata, self._timeout_seconds + wait, waits=wait > 0)
        from_trailers = trailer_headers(answer.trailers) if answer.trailers else []
        if answer.code != _OK:
            problem = problem_of(answer, self._request_type)
            problem.headers = (*problem.headers, *self._deprecation, *from_trailers)
            raise problem
        headers = [(b"x-request-id", request.request_id.encode()), *self._usual_headers, *self._deprecation, *from_trailers]
        if applied is not None:
            headers.append((b"preference-applied", b"wait=%d" % applied))
        return self._success(answer, headers)

    async def _stream(
        self, rows: RowStream, media_type: str, request: Request, message: Message, metadata: list[tuple[str, str]]
    ) -> Response:
        async def fetch(page: Message) -> Message:
            answer = await self._backend.call(self._name, page.SerializeToString(), metadata, self._timeout_seconds)
            if answer.code != _OK:
                raise problem_of(answer, self._request_type)
            return self._parse_response(answer.message)

        headers = [(b"x-request-id", request.request_id.encode()), *self._usual_headers]
        return await rows.respond(request, media_type, message, fetch, headers)

    def _message(self, request: Request, values: tuple[str, ...]) -> Message:
        """Return the request message, from path and query or from path and body."""
        try:
            parameters = self._parameters.read(values, request.query) if values or request.query else {}
        except UnreadableError as error:
            raise ProblemError.unreadable(error, "the query") from None
        if self._read_body is None:
            request.refuse_body()
            return self._make_request(**parameters)
        body = request.json_body(self.body_bytes_max)
        if not body:
            self._refuse_missing_body()
        try:
            message: Message = self._read_body(parse_json(body) if body else {})
        except UnreadableError as error:
            raise ProblemError.unreadable(error, "the body") from None
        if parameters:
            message.MergeFrom(self._make_request(**parameters))
        return message

    def _refuse_missing_body(self) -> None:
        if self._required:
            errors = [FieldViolation(name, "is required") for name in self._required]
            raise ProblemError.of("INVALID_ARGUMENT", "the body is missing", errors=errors)

    def _apply_preference(self, request: Request, message: Message) -> int | None:
        """Fill the wait of a request from its Prefer header and return the seconds applied.

        A wait in the body itself comes first, also one that the service will refuse.
        """
        header = request.headers.get(b"prefer")
        wanted = preferred_wait_seconds(header.decode("latin-1")) if header is not None else None
        if wanted is None or getattr(message, WAIT_FIELD):
            return None
        applied = min(wanted, self._wait_seconds_max)
        setattr(message, WAIT_FIELD, applied)
        return applied

    def _wait(self, message: Message) -> int:
        """Return the seconds that the call may wait; a value out of range is the service's to refuse, not ours to wait for."""
        return min(max(getattr(message, WAIT_FIELD), 0), self._wait_seconds_max) if self._wait_seconds_max else 0

    def _success(self, answer: Answer, headers: list[Header]) -> Response:
        message = self._parse_response(answer.message)
        status = self._status(message)
        if self._location is not None and (location := self._location(message)) is not None:
            headers.append((b"location", location))
        if status == NO_CONTENT:
            return Response(status, headers)
        headers.append(_JSON)
        return Response(status, headers, encode_json(self._write_response(message)))


def _deprecation(binding: Binding) -> list[Header]:
    """Return the headers of a binding that should no longer be used (RFC 9745), with a link to the one that should (RFC 5829)."""
    if binding.deprecated_at_seconds is None:
        return []
    return [
        (b"deprecation", b"@%d" % binding.deprecated_at_seconds),
        (b"link", f'<{binding.preferred_template}>; rel="successor-version"'.encode()),
    ]
