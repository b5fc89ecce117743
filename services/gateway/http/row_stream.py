"""A whole list as a stream: pages are asked for one after the other, and go out as CSV or as lines of JSON."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from services.gateway.http.asgi import Header
from services.gateway.http.contract import ContractError
from services.gateway.http.csv_rows import CsvRows
from services.gateway.http.json_names import json_name
from services.gateway.http.json_writer import JsonWriter, encode_json
from services.gateway.http.negotiation import preferred_type
from services.gateway.http.requests import Request
from services.gateway.http.stream_places import StreamPlaces, caller_of
from services.gateway.http.streamed import StreamedResponse
from shared.policy import field_at, http_facts_of, method_name, rules_of

JSON, CSV, LINES = "application/json", "text/csv", "application/x-ndjson"
STREAM_TYPES = (CSV, LINES)

NEXT_PAGE = "next_page_token"
FetchPage = Callable[[Message], Awaitable[Any]]
"""Asks for one page; returns the response message. Raises ProblemError."""


def row_stream_of(method: MethodDescriptor, writer: JsonWriter, places: StreamPlaces) -> "RowStream | None":
    """Return how a method's list is streamed, None where the contract says nothing of it. Raises ContractError."""
    return RowStream(method, writer, places) if http_facts_of(method).HasField("row_stream") else None


class RowStream:
    """How one method's list is streamed. The memory it takes is that of one page, however long the list is."""

    def __init__(self, method: MethodDescriptor, writer: JsonWriter, places: StreamPlaces) -> None:
        facts = http_facts_of(method).row_stream
        try:
            rows = method.output_type.fields_by_name[facts.rows_field]
            self._page_size = rules_of(method.input_type.fields_by_name["page_size"]).max
            self._has_pages = {"page_token"} <= set(method.input_type.fields_by_name) and NEXT_PAGE in method.output_type.fields_by_name
            edges = [tuple(path.split(".")) if path else () for path in (facts.first_row_field, facts.last_row_field)]
            edge_types = [field_at(method.output_type, path).message_type for path in edges if path]
        except KeyError as error:
            raise ContractError(f"{method_name(method)}: the row stream names {error}, which is not there") from None
        if rows.message_type is None or not rows.is_repeated or not self._has_pages:
            raise ContractError(f"{method_name(method)}: a row stream needs a list of messages that comes in pages")
        self._rows_of = attrgetter(rows.name)
        self._first, self._last = (attrgetter(".".join(path)) if path else None for path in edges)
        self._csv = CsvRows(rows.message_type, writer)
        for each in edge_types:
            if each is None:
                raise ContractError(f"{method_name(method)}: the first and last row of a stream are messages")
            self._csv.check_edge(each)
        self._write_row = writer.for_message(rows.message_type)
        self._write_response = writer.for_message(method.output_type)
        self._left_out = {json_name(rows), NEXT_PAGE}
        self._file_name = _file_name(method)
        self._places = places

    def wanted(self, request: Request) -> str | None:
        """Return the media type of the stream that the request asks for, None when it asks for a page of JSON."""
        accept = request.headers.get(b"accept")
        if accept is None:
            return None
        media_type = preferred_type(accept.decode("latin-1"), (JSON, *STREAM_TYPES))
        return media_type if media_type in STREAM_TYPES else None

    async def respond(self, request: Request, media_type: str, message: Any, fetch: FetchPage, headers: list[Header]) -> StreamedResponse:
        """Ask for the first page and return the stream that begins with it. Raises ProblemError, also when too many streams are open."""
        place = self._places.take()
        try:
            message.page_size = self._page_size
            first = await fetch(message)
            place.belongs_to(caller_of(request))
        except BaseException:
            place.release()
            raise
        suffix = b"csv" if media_type == CSV else b"ndjson"
        head = [
            *headers,
            (b"content-type", b"text/csv; charset=utf-8; header=present" if media_type == CSV else LINES.encode()),
            (b"content-disposition", b'attachment; filename="%s.%s"' % (self._file_name, suffix)),
            (b"vary", b"accept"),
        ]
        pieces = self._as_csv(first, message, fetch) if media_type == CSV else self._as_lines(first, message, fetch)
        return StreamedResponse(200, head, pieces=pieces, ended=place.release)

    async def _as_csv(self, first: Any, message: Any, fetch: FetchPage) -> AsyncGenerator[bytes, None]:
        yield self._csv.header() + (self._csv.edge(self._first(first)) if self._first is not None else b"")
        last_row = self._csv.edge(self._last(first)) if self._last is not None else b""
        async for page in _pages(first, message, fetch):
            yield self._csv.lines(self._rows_of(page))
        if last_row:
            yield last_row

    async def _as_lines(self, first: Any, message: Any, fetch: FetchPage) -> AsyncGenerator[bytes, None]:
        content = {name: value for name, value in self._write_response(first).items() if name not in self._left_out}
        if content:
            yield encode_json(content) + b"\n"
        async for page in _pages(first, message, fetch):
            yield b"".join([encode_json(self._write_row(row)) + b"\n" for row in self._rows_of(page)])


async def _pages(first: Any, message: Any, fetch: FetchPage) -> AsyncIterator[Any]:
    page = first
    while True:
        yield page
        if not page.next_page_token:
            return
        message.page_token = page.next_page_token
        page = await fetch(message)


def _file_name(method: MethodDescriptor) -> bytes:
    """Return what a saved stream is called: the method without its verb, `vendor_entries`."""
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method.name).lstrip("_").split("_")
    return "_".join(words[1:]).encode()
