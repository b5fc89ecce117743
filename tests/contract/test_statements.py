"""Statements at the HTTP door: true to the verifier, whole however long they are, and never more than a page in memory."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest
import pytest_asyncio
from charging.vendor_credit.v1 import statements_pb2

from services.vendor_credit.domain.ledger import EntryKind
from services.vendor_credit.storage import accounts, vendors
from shared.clock import utc_now
from shared.database import Connection
from shared.principal import Role
from tests.contract.conftest import UNLIMITED
from tests.contract.stack import Stack, open_stack
from tests.databases import DatabaseFactory
from tests.verifying import main

ENTRIES = 9_001
"""More than four of the statement's pages, and more than a message of 4 MiB would carry with references as long as these."""

REFERENCE = "x" * 500
START = datetime(2026, 1, 1, tzinfo=UTC)
METHOD = "/charging.vendor_credit.v1.StatementService/GetStatement"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(
    database_factory: DatabaseFactory, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """Give the stack with vendor 1, whose ledger is long, and its partner."""
    databases = database_factory.clone()
    async with open_stack(databases, module_redis_url, tmp_path_factory.mktemp("keys"), rate_limit_requests=UNLIMITED) as stack:
        await stack.add_user("olga", Role.OPERATOR)
        await stack.add_user("paula", Role.PARTNER, [1])
        await stack.vendor_credit.cells.of(1).transact(make_ledger)
        yield stack
    database_factory.drop(databases)


async def make_ledger(connection: Connection) -> None:
    """Post many entries to a new vendor, one each second."""
    vendor_id = await vendors.next_vendor_id(connection)
    await vendors.insert_vendor(
        connection, vendor_id, name="Long", credit_limit=0, low_balance_threshold=0, duplicate_window_seconds=0, now=START
    )
    locked = await accounts.lock_accounts(connection, [vendor_id])
    account = locked[vendor_id]
    moments = [START + timedelta(seconds=number) for number in range(ENTRIES)]
    entries = [account.post(EntryKind.CREDIT, number + 1, f"{number}{REFERENCE}", moment) for number, moment in enumerate(moments)]
    await accounts.write_postings(connection, locked, entries)


async def statement(office: Stack, accept: str, **changes: str) -> Any:
    """Ask for the statement of January."""
    query = urlencode({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", **changes})
    return await office.send("GET", f"/api/vendor/1/statement/?{query}", office.tokens["paula"], headers={"accept": accept})


async def keys_file(office: Stack, folder: Path) -> Path:
    """Save the published keys, as somebody without a token gets them."""
    answer = await office.send("GET", "/api/auth/keys/")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=300")
    path = folder / "keys.json"
    path.write_bytes(answer.content)
    return path


async def test_the_streamed_statement_is_whole_and_true(office: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of JSON, thousands of them, and the offline verifier finds nothing against it; altered, it names the entry."""
    answer = await statement(office, "application/x-ndjson")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert len(answer.content) > 4 * 1024 * 1024
    path, keys = tmp_path / "statement.ndjson", await keys_file(office, tmp_path)
    path.write_bytes(answer.content)
    assert main([str(path), "--keys", str(keys)]) == 0, capsys.readouterr()
    assert f"{ENTRIES} entries" in capsys.readouterr().out
    lines = answer.content.splitlines(keepends=True)
    altered = json.loads(lines[7_000])
    altered["amount"] += 1
    lines[7_000] = json.dumps(altered).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    assert main([str(path), "--keys", str(keys)]) == 1
    assert f"FALSE  entry {altered['seq']}:" in capsys.readouterr().out


async def test_the_csv_has_opening_entries_and_closing(office: Stack) -> None:
    """Every row once, and the sums agree."""
    answer = await statement(office, "text/csv", **{"from": "2026-01-01T01:00:00Z", "to": "2026-01-01T02:00:00Z"})
    opening, *entries, closing = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert (opening["kind"], opening["seq"], closing["kind"], closing["seq"]) == ("opening", "3600", "closing", "7200")
    assert [int(row["seq"]) for row in entries] == list(range(3_601, 7_201))
    assert int(closing["balance_after"]) == int(opening["balance_after"]) + sum(int(row["amount"]) for row in entries)


async def test_pages_of_json_meet(office: Stack) -> None:
    """A page names the next one; together they are the statement."""
    seqs, token = [], ""
    while True:
        answer = (await statement(office, "application/json", page_size="2000", page_token=token)).json()
        seqs += [row["seq"] for row in answer["results"]]
        assert answer["data"]["entry_count"] == ENTRIES
        token = answer["next_page_token"]
        if not token:
            break
    assert seqs == list(range(1, ENTRIES + 1))


async def test_the_entries_stream_newest_first(office: Stack) -> None:
    """The ledger itself as CSV, all of it or of a time."""
    for query, expected in (("", range(ENTRIES, 0, -1)), ("?from=2026-01-01T00:00:10Z&to=2026-01-01T00:00:13Z", range(13, 10, -1))):
        answer = await office.send("GET", f"/api/vendor/1/entries/{query}", office.tokens["paula"], headers={"accept": "text/csv"})
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert [int(row["seq"]) for row in rows] == list(expected)


@pytest.mark.parametrize(
    "changes",
    [{"from": ""}, {"to": "2026-01-01T00:00:00Z"}, {"to": "9000-01-01T00:00:00Z"}, {"page_token": "x"}, {"page_size": "2001"}],
    ids=str,
)
async def test_what_is_wrong_is_named_in_every_form(office: Stack, changes: dict[str, str]) -> None:
    """A problem document, whatever was to be streamed."""
    for accept in ("application/json", "text/csv", "application/x-ndjson"):
        if accept != "application/json" and "page_size" in changes:
            continue  # a stream chooses its own
        answer = await statement(office, accept, **changes)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert {error["field"] for error in answer.json()["errors"]} & {*changes, "to"}


async def test_another_vendors_statement_is_missing(office: Stack) -> None:
    """As ever, in every form."""
    for accept in ("application/json", "text/csv"):
        answer = await office.send(
            "GET",
            "/api/vendor/2/statement/?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z",
            office.tokens["paula"],
            headers={"accept": accept},
        )
        assert (answer.status_code, answer.json()["reason"]) == (404, "VENDOR_NOT_FOUND")


async def test_a_statement_up_to_now_is_taken(office: Stack) -> None:
    """A period that has just ended has a statement."""
    answer = await statement(office, "application/json", to=utc_now().isoformat().replace("+00:00", "Z"))
    assert answer.status_code == 200, answer.text


async def test_the_largest_page_fits_into_a_message(office: Stack) -> None:
    """2,000 entries travel in one answer over gRPC, too."""
    request = statements_pb2.GetStatementRequest(vendor_id=1, page_size=2_000)
    getattr(request, "from").FromDatetime(START)
    request.to.FromDatetime(START + timedelta(days=1))
    reply = await office.call(METHOD, request, office.tokens["paula"])
    assert reply.code is grpc.StatusCode.OK
    assert len(statements_pb2.GetStatementResponse.FromString(reply.content).entries) == 2_000
