"""A request whose rows are a file of CSV: strict, and every refusal names line and column."""

from typing import Any

import pytest
from charging.customer_charge.v1 import reconciliation_pb2 as pb

from services.gateway.http.csv_rows import CsvRows
from services.gateway.http.json_writer import JsonWriter
from shared.errors import FieldViolation, InvalidArgument
from tests.unit.gateway_http.conftest import Client

QUERY = "vendor=1&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"
PATH = f"/api/customer/charges/reconcile/?{QUERY}"
CHARGE = "01a20a01-0d2f-75aa-babb-13881e61f002"


async def send(client: Client, body: bytes, *, path: str = PATH, media_type: str = "text/csv", **headers: str) -> Any:
    """Send a file."""
    client.backend.answer = pb.ReconcileChargesResponse()
    return await client.send("POST", path, body, [("content-type", media_type), *headers.items()])


async def rows_of(client: Client, body: bytes) -> list[Any]:
    """Send a file that must be taken, and return the rows that the service was given."""
    reply = await send(client, body)
    assert reply.status == 200, reply.body
    return list(client.backend.calls[-1].request.rows)


async def test_rows_and_query_become_one_request(client: Client) -> None:
    """Columns in any order by their JSON names; lines are numbered as an editor does; empty cells say nothing."""
    body = f"amount,charge,status,reversed_amount,external_id\n5,{CHARGE},succeeded,0,\n7,,,,a b\n".encode()
    first, second = await rows_of(client, body)
    assert first == pb.ReconciliationRow(line=2, charge_id=CHARGE, amount=5, state=2, reversed_amount=0)  # type: ignore[arg-type]
    assert second == pb.ReconciliationRow(line=3, external_id="a b", amount=7)
    request = client.backend.calls[-1].request
    assert (request.vendor_id, request.to.ToJsonString(), request.page_size) == (1, "2026-02-01T00:00:00Z", 0)


@pytest.mark.parametrize(
    ("body", "keys", "lines"),
    [
        (b"\xef\xbb\xbfidempotency_key,amount\r\nk,1\r\n", ["k"], [2]),
        (b'"idempotency_key","amount"\n"k","1"\n', ["k"], [2]),
        (b'idempotency_key,amount\n"a,b",1\n"say ""hi""",2\n', ["a,b", 'say "hi"'], [2, 3]),
        (b"idempotency_key,amount\n\n\nk,1\n\n", ["k"], [4]),
        (b"idempotency_key,amount\nk,1", ["k"], [2]),
        (b"idempotency_key,amount\rk,1\r", ["k"], [2]),
        (b"idempotency_key,amount\n'=1+1,1\n'-5,2\n'x,3\n'',4\n", ["=1+1", "-5", "'x", "''"], [2, 3, 4, 5]),
        (b"line,idempotency_key,amount\n17,k,1\n,l,2\n", ["k", "l"], [17, 3]),
        (b"idempotency_key,amount\n", [], []),
        (b"idempotency_key,amount", [], []),
    ],
    ids=["BOM and CRLF", "quoted", "comma and quote", "blank lines", "no end of line", "CR", "guarded", "own lines", "no lines", "heading"],
)
async def test_forms_that_spreadsheets_write_are_read(client: Client, body: bytes, keys: list[str], lines: list[int]) -> None:
    """Each of them, to the same rows; what this system guards from spreadsheets is read back as it was."""
    rows = await rows_of(client, body)
    assert ([row.idempotency_key for row in rows], [row.line for row in rows]) == (keys, lines)


async def test_a_line_break_in_quotes_does_not_shift_the_numbers(client: Client) -> None:
    """A row has the number of the line in which it begins."""
    reply = await send(client, b'external_id,amount\n"a\nb",1\nc,x\n')
    assert reply.status == 400
    assert [each["field"] for each in reply.json["errors"]] == ["line 4, amount"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", [""]),
        (b"\n\n", [""]),
        (b"\xef\xbb\xbf", [""]),
        (b"charge;amount\nx;1\n", ["line 1, column 1", "line 1, amount"]),
        (b"idempotency_key,amount,ammount\nk,1,1\n", ["line 1, column 3"]),
        (b"idempotency_key,Amount\nk,1\n", ["line 1, column 2", "line 1, amount"]),
        (b"idempotency_key,amount,amount\nk,1,2\n", ["line 1, amount"]),
        (b"idempotency_key\nk\n", ["line 1, amount"]),
        (b"idempotency_key,amount\nk\n", ["line 2"]),
        (b"idempotency_key,amount\nk,1,2\nl,1\nm\n", ["line 2", "line 4"]),
        (b"idempotency_key,amount\n ,1\n \n", ["line 3"]),
        (b'idempotency_key,amount\nk,1\n"l,1\n', ["line 3"]),
        (b'idempotency_key,amount\n"k"x,1\n', ["line 2"]),
        (b"idempotency_key,amount\nk,1\x00\n", ["line 2, amount"]),
        (b"idempotency_key,amount\nk\x00,1\n", ["line 2, idempotency_key"]),
        (b"idempotency_key,amount,status\nk,1,done\nl,1,SUCCEEDED\nm,1,unspecified\n", [f"line {each}, status" for each in (2, 3, 4)]),
        (b"idempotency_key,amount,customer\nk,1,1.0\nl,1,one\n", ["line 2, customer", "line 3, customer"]),
    ],
)
async def test_what_cannot_be_read_is_named(client: Client, body: bytes, fields: list[str]) -> None:
    """Line and column, all of them together, and the service is not asked."""
    reply = await send(client, body)
    assert (reply.status, reply.json["reason"]) == (400, "INVALID_ARGUMENT")
    assert [each["field"] for each in reply.json["errors"]] == [each for each in fields if each]
    assert client.backend.calls == []
    if fields[0]:
        assert reply.json["detail"].startswith(fields[0])


@pytest.mark.parametrize(
    "text", ["1.0", "01", "+1", " 1", "1 ", "1e2", "1,000", "0x1", "\u0661", "9" * 400, "9007199254740992", "true", "-0"]
)
async def test_an_amount_is_a_whole_number_or_refused(client: Client, text: str) -> None:
    """Nothing is rounded, trimmed or guessed."""
    reply = await send(client, f'idempotency_key,amount\nk,"{text}"\n'.encode())
    if text == "-0":
        assert reply.status == 200  # the service's rule: required, and not 0
        return
    assert (reply.status, [each["field"] for each in reply.json["errors"]]) == (400, ["line 2, amount"])


async def test_bytes_that_are_no_utf_8_are_refused(client: Client) -> None:
    """By their place."""
    reply = await send(client, b"idempotency_key,amount\n\xff,1\n")
    assert (reply.status, reply.json["detail"]) == (400, "the body is not UTF-8 at byte 23")
    reply = await send(client, "idempotency_key,amount\nk,1\n".encode("utf-16"))
    assert reply.status == 400


async def test_more_rows_than_are_taken_are_refused_by_the_line(client: Client) -> None:
    """The file's first line too many is named."""
    body = b"idempotency_key,amount\n" + b"k,1\n" * 20_001
    reply = await send(client, body)
    assert (reply.status, [each["field"] for each in reply.json["errors"]]) == (400, ["line 20002"])


async def test_what_the_service_refuses_is_named_by_line_and_column(client: Client) -> None:
    """Also where the file has lines of its own numbering, in the texts and in the metadata."""
    violation = FieldViolation("rows[1].amount", "must be at most 5")
    error = InvalidArgument("rows[1].amount: must be at most 5", metadata={"field": "rows[1].amount"}, violations=[violation])
    client.backend.answer = error
    reply = await client.send("POST", PATH, b"line,idempotency_key,amount\n40,k,1\n\n50,l,9\n", [("content-type", "text/csv")])
    assert (reply.status, reply.json["detail"]) == (400, "line 4, amount: must be at most 5")
    assert reply.json["errors"] == [{"field": "line 4, amount", "message": "must be at most 5"}]
    assert reply.json["metadata"] == {"field": "line 4, amount"}


@pytest.mark.parametrize("media_type", ["text/csv; charset=utf-8", "Text/CSV;header=present", 'text/csv; charset="UTF-8"; header=present'])
async def test_media_types_of_csv_in_utf_8_are_taken(client: Client, media_type: str) -> None:
    """With the parameters of RFC 4180 and RFC 7111."""
    assert (await send(client, b"idempotency_key,amount\n", media_type=media_type)).status == 200


@pytest.mark.parametrize("media_type", ["text/csv; charset=latin-1", "text/csv; header=absent", "text/csvx", "text/plain"])
async def test_other_media_types_are_refused(client: Client, media_type: str) -> None:
    """415, before anything is read."""
    path = PATH.partition("?")[0] if media_type in ("text/csvx", "text/plain") else PATH
    assert (await send(client, b"idempotency_key,amount\n", path=path, media_type=media_type)).status == 415


async def test_compressed_and_too_large_files_are_refused(client: Client) -> None:
    """As any other body."""
    assert (await send(client, b"x", **{"content-encoding": "gzip"})).status == 415
    assert (await send(client, b"idempotency_key,amount\n" + b"k" * 3_145_728)).status == 413


@pytest.mark.parametrize("query", [f"{QUERY}&rows=1", f"{QUERY}&unheard_of=1", "vendor=x", f"{QUERY}&vendor=2"])
async def test_the_query_is_read_as_strictly(client: Client, query: str) -> None:
    """Rows are no parameter, and neither is what the request does not have."""
    reply = await send(client, b"idempotency_key,amount\n", path=f"/api/customer/charges/reconcile/?{query}")
    assert reply.status == 400
    assert reply.json["errors"]


async def test_methods_that_take_no_csv_say_so(client: Client) -> None:
    """The fact belongs to the method."""
    assert (await send(client, b"vendor,customer,amount\n1,1,1\n", path="/api/customer/increase-credit/")).status == 415


def test_the_answer_as_csv_has_no_formula_in_it() -> None:
    """What callers named their charges is text, and a list of fields is one cell."""
    found = pb.Discrepancy(kind=3, line=2, fields=[5, 6], your_idempotency_key="=cmd|' /C calc'!A0", your_amount=1)  # type: ignore[arg-type]
    rows = CsvRows(pb.Discrepancy.DESCRIPTOR, JsonWriter())
    assert rows.header().startswith(b"kind,line,fields,first_line,charge,your_charge,your_idempotency_key,")
    assert rows.lines([found]).startswith(b"differing,2,amount status,,,,'=cmd|' /C calc'!A0,")
