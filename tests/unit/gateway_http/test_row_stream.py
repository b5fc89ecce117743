"""Lists as streams: the form that Accept asks for, every page in order, cells that no spreadsheet runs, and ends that show."""

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from charging.vendor_credit.v1 import statements_pb2, vendor_credit_pb2

from services.gateway.http.csv_rows import CsvRows
from services.gateway.http.json_writer import JsonWriter
from services.gateway.http.negotiation import preferred_type
from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import ClientLeftError, Request
from services.gateway.http.row_stream import CSV, JSON, LINES
from services.gateway.http.stream_places import PLACES, PLACES_OF_CALLER
from shared.errors import InvalidArgument, Unavailable
from shared.transport.backend import Answer
from tests.unit.gateway_http.conftest import Client

ENTRIES = "/api/vendor/1/entries/"
STATEMENT = "/api/vendor/1/statement/?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"


def page(seqs: range, token: str = "", *, reference: str = "r") -> vendor_credit_pb2.ListVendorEntriesResponse:
    """Return a page of entries."""
    entries = [vendor_credit_pb2.VendorEntry(vendor_id=1, seq=seq, amount=-5, kind=2, reference=reference) for seq in seqs]
    return vendor_credit_pb2.ListVendorEntriesResponse(entries=entries, next_page_token=token)


class Pages:
    """Answers with one prepared page after the other."""

    def __init__(self, client: Client, *answers: Any) -> None:
        self.answers = list(answers)
        client.backend.answer = self.next

    async def next(self) -> Answer:
        """Return the next answer, or raise it."""
        answer = self.answers.pop(0)
        return answer if isinstance(answer, Answer) else Answer(0, message=answer.SerializeToString())


class Wire:
    """What a connection takes, and a client that may leave."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.sent: list[Any] = []
        self.left = False
        self.on_piece: Callable[[int], None] = lambda count: None

    async def send(self, message: Any) -> None:
        """Keep what is sent, or say that the client is gone."""
        if self.left:
            raise ClientLeftError
        self.sent.append(message)
        self.on_piece(len(self.sent))
        await asyncio.sleep(0)

    async def get(self, client: Client, target: str, accept: str, method: str = "GET", caller: str = "user:1") -> None:
        """Send a request; who calls is said by a token that a service would find to be good."""
        token = jwt.encode({"sub": caller, "jti": self.name}, "k" * 32, algorithm="HS256")
        headers = [(b"accept", accept.encode()), (b"authorization", f"Token {token}".encode())]
        request = Request.read(method, target.encode(), headers, "192.0.2.7")
        response = await client.door.answer(request)
        await response.send(self.send, without_body=method == "HEAD")

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Return the headers of the response."""
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        """Return the body as far as it came."""
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def whole(self) -> bool:
        """Tell whether the end of the body was sent."""
        return bool(self.sent) and not self.sent[-1].get("more_body", False)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("application/x-ndjson", LINES),
        ("text/*", CSV),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("application/json;q=0.5, text/csv", CSV),
        ("application/json, text/csv;q=0.9", JSON),
        ("text/csv;q=0", JSON),
        ("*/*, text/csv;q=0.1", JSON),
        ("application/json;q=0, */*", CSV),
        ("image/png", JSON),
        ("nonsense;;;=", JSON),
        ("text/csv;q=7", CSV),
    ],
)
def test_accept_chooses_the_form(accept: str, chosen: str) -> None:
    """By quality, the most specific range first, JSON where nothing is said."""
    assert preferred_type(accept, (JSON, CSV, LINES)) == chosen


async def test_csv_has_every_page_in_order(client: Client) -> None:
    """One header line, then the rows of all pages, each asked for with the token of the one before and the largest page size."""
    Pages(client, page(range(1, 4), "a"), page(range(4, 6), "b"), page(range(6, 7)))
    wire = Wire()
    await wire.get(client, ENTRIES, "text/csv")
    assert wire.sent[0]["status"] == 200
    assert wire.headers[b"content-type"] == b"text/csv; charset=utf-8; header=present"
    assert wire.headers[b"content-disposition"] == b'attachment; filename="vendor_entries.csv"'
    assert wire.headers[b"cache-control"] == b"no-store"
    rows = list(csv.reader(io.StringIO(wire.body.decode(), newline="")))
    assert rows[0] == ["vendor", "seq", "amount", "balance_after", "kind", "reference", "created_at", "hash"]
    assert [row[1] for row in rows[1:]] == [str(seq) for seq in range(1, 7)]
    assert rows[1][2:5] == ["-5", "0", "charge"]
    assert wire.body.count(b"\r\n") == len(rows)
    assert [(call.request.page_token, call.request.page_size) for call in client.backend.calls] == [("", 200), ("a", 200), ("b", 200)]
    assert wire.whole


async def test_a_statement_begins_and_ends_with_its_balances(client: Client) -> None:
    """The first row is the opening, the last one the closing, in the same columns."""

    def statement(seqs: range, token: str = "") -> statements_pb2.GetStatementResponse:
        ends = {
            "opening": statements_pb2.StatementBalance(kind=1, seq=4, balance_after=20, hash="aa"),
            "closing": statements_pb2.StatementBalance(kind=2, seq=6, balance_after=10, hash="bb"),
        }
        return statements_pb2.GetStatementResponse(
            data=statements_pb2.Statement(vendor_id=1, **ends), entries=page(seqs).entries, next_page_token=token
        )

    Pages(client, statement(range(5, 6), "a"), statement(range(6, 7)))
    wire = Wire()
    await wire.get(client, STATEMENT, "text/csv")
    rows = list(csv.DictReader(io.StringIO(wire.body.decode(), newline="")))
    assert [(row["kind"], row["seq"], row["balance_after"]) for row in (rows[0], rows[-1])] == [
        ("opening", "4", "20"),
        ("closing", "6", "10"),
    ]
    assert [row["seq"] for row in rows[1:-1]] == ["5", "6"]
    Pages(client, statement(range(5, 6), "a"), statement(range(6, 7)))
    wire = Wire()
    await wire.get(client, STATEMENT, "application/x-ndjson")
    head, *lines = [json.loads(line) for line in wire.body.splitlines()]
    assert set(head) == {"data"}
    assert [line["seq"] for line in lines] == [5, 6]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
async def test_no_cell_begins_like_a_formula(client: Client, start: str) -> None:
    """Texts that a spreadsheet would run are quoted as text; numbers stay numbers."""
    Pages(client, page(range(1, 2), reference=f'{start}cmd|"/c calc"!A0'))
    wire = Wire()
    await wire.get(client, ENTRIES, "text/csv")
    (_, row) = csv.reader(io.StringIO(wire.body.decode(), newline=""))
    assert row[5] == f'\'{start}cmd|"/c calc"!A0'
    assert row[2] == "-5"


def test_hostile_texts_stay_in_their_cells() -> None:
    """Quotes, commas and line breaks of a text come back as they were."""
    rows = CsvRows(vendor_credit_pb2.VendorEntry.DESCRIPTOR, JsonWriter())
    for text in ("a,b", 'say "hi"', "two\nlines", "two\r\nlines", "é, 漢", "'", '"', ",", "a;b"):
        content = rows.header() + rows.lines([vendor_credit_pb2.VendorEntry(reference=text)])
        (_, row) = csv.reader(io.StringIO(content.decode(), newline=""))
        assert row[5] == text


async def test_a_refusal_of_the_first_page_is_a_problem_document(client: Client) -> None:
    """Nothing has been sent yet, so the caller is told as ever."""
    client.backend.answer = InvalidArgument.of_field("page_token", "is not a token that was given out")
    wire = Wire()
    await wire.get(client, ENTRIES, "text/csv")
    assert wire.sent[0]["status"] == 400
    assert json.loads(wire.body)["errors"][0]["field"] == "page_token"


async def test_a_failure_in_the_middle_leaves_the_body_without_its_end(client: Client) -> None:
    """What is missing cannot be taken for the end of the list."""
    unavailable = Answer(Unavailable("gone").code, "gone")
    Pages(client, page(range(1, 3), "a"), unavailable)
    wire = Wire()
    with pytest.raises(ProblemError):
        await wire.get(client, ENTRIES, "text/csv")
    assert wire.sent[0]["status"] == 200
    assert not wire.whole


async def test_nobody_reads_on_for_a_client_that_left(client: Client) -> None:
    """Pages that nobody waits for are not asked for."""
    Pages(client, *[page(range(1, 3), "more") for _ in range(1_000)])
    wire = Wire()

    def leave(count: int) -> None:
        if count == 3:
            wire.left = True

    wire.on_piece = leave
    await wire.get(client, ENTRIES, "text/csv")
    assert len(client.backend.calls) < 10


async def test_head_asks_for_one_page_and_sends_none(client: Client) -> None:
    """The headers of the stream, without the stream."""
    Pages(client, page(range(1, 3), "a"))
    wire = Wire()
    await wire.get(client, ENTRIES, "text/csv", method="HEAD")
    assert (wire.headers[b"content-type"][:8], wire.body, len(client.backend.calls)) == (b"text/csv", b"", 1)


async def opened(client: Client, callers: list[str]) -> tuple[asyncio.Event, list[asyncio.Task[None]], list[Wire]]:
    """Open one stream for each caller, every one with a token of its own; they end when the event is set."""
    gate = asyncio.Event()

    async def answer() -> Answer:
        if client.last.request.page_token:
            await gate.wait()
        return Answer(0, message=page(range(1, 3), "" if gate.is_set() else "more").SerializeToString())

    client.backend.answer = answer
    wires = [Wire(str(number)) for number in range(len(callers))]
    tasks = [asyncio.create_task(wire.get(client, ENTRIES, "text/csv", caller=who)) for wire, who in zip(wires, callers, strict=True)]
    while not all(len(wire.sent) >= 1 for wire in wires):  # noqa: ASYNC110 - the fake connection has no event to wait for
        await asyncio.sleep(0)
    return gate, tasks, wires


async def test_one_caller_does_not_take_the_streams_of_others(client: Client) -> None:
    """One more than a caller may have is 429 whatever token and list it is, another caller's opens, and places come back."""
    gate, running, _ = await opened(client, ["user:1"] * PLACES_OF_CALLER)
    entries = client.backend.answer
    for target, answer in ((STATEMENT, statements_pb2.GetStatementResponse()), (ENTRIES, entries)):
        client.backend.answer = answer
        refused = Wire()
        await refused.get(client, target, "text/csv")
        assert (refused.sent[0]["status"], refused.headers[b"retry-after"]) == (429, b"1")
        assert b"TOO_MANY_STREAMS" in refused.body
    other = Wire()
    waiting = asyncio.create_task(other.get(client, ENTRIES, "text/csv", caller="user:2"))
    while not other.sent:  # noqa: ASYNC110 - the fake connection has no event to wait for
        await asyncio.sleep(0)
    assert other.sent[0]["status"] == 200
    gate.set()
    await asyncio.gather(*running, waiting)
    for _ in range(PLACES_OF_CALLER + 1):
        again = Wire()
        await again.get(client, ENTRIES, "text/csv")
        assert (again.sent[0]["status"], again.whole) == (200, True)


async def test_too_many_streams_of_one_process_are_refused(client: Client) -> None:
    """Also when they begin at the same moment: a place is taken before the first page is asked for."""
    gate, running, wires = await opened(client, [f"user:{number % 10}" for number in range(PLACES + 1)])
    assert Counter(wire.sent[0]["status"] for wire in wires) == {200: PLACES, 503: 1}
    gate.set()
    await asyncio.gather(*running)


async def test_streams_that_never_begin_hold_no_place(client: Client) -> None:
    """Refused by the service, asked for by HEAD, or of a client that is gone before the first byte."""
    for _ in range(PLACES + 1):
        client.backend.answer = Unavailable("down")
        refused = Wire()
        await refused.get(client, ENTRIES, "text/csv")
        assert refused.sent[0]["status"] == 503
        assert b"OVERLOADED" not in refused.body
        client.backend.answer = page(range(1, 3))
        await Wire().get(client, ENTRIES, "text/csv", method="HEAD")
        gone = Wire()
        gone.left = True
        await gone.get(client, ENTRIES, "text/csv")


async def test_a_page_of_json_stays_what_it_was(client: Client) -> None:
    """Without the wish for a stream, one page with its token."""
    client.backend.answer = page(range(1, 3), "a")
    reply = await client.get(ENTRIES, accept="application/json")
    assert (len(reply.json["results"]), reply.json["next_page_token"], len(client.backend.calls)) == (2, "a", 1)


async def test_public_keys_may_be_kept(client: Client) -> None:
    """The contract says for how long."""
    reply = await client.get("/api/auth/keys/")
    assert reply.headers["cache-control"] == "public, max-age=300"
    assert reply.headers["x-content-type-options"] == "nosniff"
