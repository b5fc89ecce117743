"""A partner's own list of charges against ours, by both doors: every discrepancy, page by page, and nothing of anybody else."""

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import grpc
import httpx
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import reconciliation_pb2 as pb

from services.customer_charge.handlers import reconciliation
from services.customer_charge.storage.reconciliation import CHARGES_BETWEEN, CHARGES_BY_EXTERNAL_ID, CHARGES_BY_KEY
from tests.contract.contract import response_of
from tests.contract.world import MISSING_ID, World

PATH = "/api/customer/charges/reconcile/"
METHOD = "/charging.customer_charge.v1.ReconciliationService/ReconcileCharges"
CHARGE_PATH = "/api/customer/increase-credit/"


@dataclass
class Books:
    """A vendor with charges of its own, and what it wrote down of them; the period is that in which they were made."""

    world: World
    vendor: int
    start: datetime
    charges: dict[str, dict[str, Any]]

    def query(self, **changes: Any) -> str:
        """Return the query of a reconciliation."""
        period = {"from": self.start.isoformat().replace("+00:00", "Z"), "to": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
        return urlencode({"vendor": self.vendor, **period, **changes})

    async def send(self, file: str, *, token: str = "", accept: str = "application/json", **changes: Any) -> httpx.Response:
        """Send a file."""
        headers = {"content-type": "text/csv", "accept": accept}
        path = f"{PATH}?{self.query(**changes)}"
        return await self.world.stack.send("POST", path, token or self.world.operator, content=file.encode(), headers=headers)


@pytest.fixture
async def books(world: World) -> Books:
    """Give a vendor that made charges `a` to `f`, of 1 to 6; the last one fails."""
    start = datetime.now(UTC)
    vendor = await world.vendor()
    await world.stack.send("PATCH", f"/api/vendor/{vendor}/", world.operator, {"credit_limit": 15})
    charges = {}
    for amount, key in enumerate("abcdef", 1):
        body = {"vendor": vendor, "customer": world.ours.customer, "amount": amount, "external_id": f"order-{key}"}
        answer = await world.stack.send("POST", CHARGE_PATH, world.operator, body, headers={"idempotency-key": f"{key}-{vendor}"})
        charges[key] = answer.json()["data"]
        await world.stack.settle()
    return Books(world, vendor, start, charges)


def file_of(*rows: dict[str, Any]) -> str:
    """Return a file of CSV with the columns of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def row(books: Books, key: str, **changes: Any) -> dict[str, Any]:
    """Return what the vendor wrote down of a charge."""
    charge = books.charges[key]
    status = "failed" if key == "f" else "succeeded"
    return {
        "idempotency_key": f"{key}-{books.vendor}",
        "customer": charge["customer"],
        "amount": charge["amount"],
        "status": status,
    } | changes


async def test_lists_that_agree_have_no_discrepancies(books: Books) -> None:
    """By key, id or external id; and reading changes nothing."""
    before = books.world.stack.fingerprint()
    for file in (
        file_of(*[row(books, key) for key in "abcdef"]),
        file_of(*[{"charge": each["id"], "amount": each["amount"]} for each in books.charges.values()]),
        file_of(
            *[{"external_id": f"order-{key}", "amount": each["amount"], "vendor": books.vendor} for key, each in books.charges.items()]
        ),
    ):
        answer = await books.send(file)
        assert answer.status_code == 200, answer.text
        content = answer.json()
        assert (content["results"], content["next_page_token"]) == ([], "")
        assert content["data"] | {"from": "", "to": ""} == {
            "vendor": books.vendor,
            "from": "",
            "to": "",
            "rows": 6,
            "matched": 6,
            "differing": 0,
            "only_yours": 0,
            "duplicates": 0,
        }
    assert books.world.stack.fingerprint() == before


async def test_only_yours_only_ours_differing_and_doubled_are_told(books: Books) -> None:
    """Each with its line, what differs, and both sides of it."""
    file = file_of(
        row(books, "b", amount=20, status="failed"),
        row(books, "a"),
        row(books, "a"),
        row(books, "a", idempotency_key="never-sent"),
        row(books, "f"),
    )
    content = (await books.send(file)).json()
    different, doubled, yours, *ours = content["results"]
    charge = books.charges["b"]
    assert (different["kind"], different["line"], different["fields"], different["charge"]) == (
        "differing",
        2,
        ["amount", "status"],
        charge["id"],
    )
    assert (different["your_amount"], different["our_amount"], different["your_status"], different["our_status"]) == (
        20,
        2,
        "failed",
        "succeeded",
    )
    assert (doubled["kind"], doubled["line"], doubled["first_line"], doubled["charge"]) == ("duplicate", 4, 3, books.charges["a"]["id"])
    assert (yours["kind"], yours["line"], yours["your_idempotency_key"]) == ("only_yours", 5, "never-sent")
    assert "charge" not in yours
    assert [(each["kind"], each["charge"], each["our_amount"]) for each in ours] == [
        ("only_ours", books.charges[key]["id"], books.charges[key]["amount"]) for key in "cde"
    ]
    assert {name: content["data"][name] for name in ("rows", "matched", "differing", "only_yours", "duplicates")} == {
        "rows": 5,
        "matched": 2,
        "differing": 1,
        "only_yours": 1,
        "duplicates": 1,
    }


async def test_an_empty_list_leaves_everything_to_us(books: Books) -> None:
    """All charges of the period, of the wanted state; none of another period."""
    heading = "idempotency_key,amount\n"
    assert len((await books.send(heading)).json()["results"]) == 6
    assert [each["our_amount"] for each in (await books.send(heading, status="failed")).json()["results"]] == [6]
    early = {"from": "2026-01-01T00:00:00Z", "to": books.start.isoformat().replace("+00:00", "Z")}
    assert (await books.send(heading, **early)).json()["results"] == []
    ancient = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}
    assert len((await books.send(heading, **ancient)).json()["results"]) == 6


async def test_a_charge_outside_the_period_is_compared_and_no_surplus(books: Books) -> None:
    """Midnight of the caller is not ours: a row finds its charge all the same."""
    over = {"from": "2026-01-01T00:00:00Z", "to": books.start.isoformat().replace("+00:00", "Z")}
    content = (await books.send(file_of(row(books, "a"), row(books, "b", amount=9)), **over)).json()
    assert [(each["kind"], each["fields"]) for each in content["results"]] == [("differing", ["amount"])]
    named = (await books.send(file_of({"external_id": "order-a", "amount": 1}), **over)).json()
    assert named["data"]["matched"] == 1


async def test_pages_hold_every_discrepancy_once(books: Books) -> None:
    """Whatever their size, as pages of JSON, as lines of JSON and as CSV."""
    file = file_of(*[row(books, "a", idempotency_key=f"unknown-{number}") for number in range(5)], row(books, "b", amount=9))
    whole = (await books.send(file)).json()["results"]
    assert Counter(each["kind"] for each in whole) == {"only_yours": 5, "differing": 1, "only_ours": 5}
    for size in (1, 2, 3, 5, 6, 11):
        found: list[Any] = []
        token, pages = "", 0
        while pages == 0 or token:
            content = (await books.send(file, page_size=size, **({"page_token": token} if token else {}))).json()
            found += content["results"]
            token, pages = content["next_page_token"], pages + 1
            assert len(content["results"]) <= size
            assert content["data"]["rows"] == 6
        assert found == whole, size
    head, *lines = [json.loads(line) for line in (await books.send(file, accept="application/x-ndjson")).text.splitlines()]
    assert (head["data"]["only_yours"], lines) == (5, whole)
    cells = list(csv.DictReader(io.StringIO((await books.send(file, accept="text/csv")).text)))
    assert [(each["kind"], each["charge"]) for each in cells] == [(each["kind"], each.get("charge", "")) for each in whole]


async def test_what_others_have_is_only_yours(books: Books) -> None:
    """A charge of another vendor, by its id or its key, is told like one that does not exist; a missing vendor is not found."""
    theirs = books.world.theirs.charge
    answers = [await books.send(file_of({"charge": charge, "amount": 1})) for charge in (theirs, str(uuid4()))]
    first, second = [[{**each, "your_charge": ""} for each in answer.json()["results"]] for answer in answers]
    assert first == second
    assert first[0]["kind"] == "only_yours"
    assert (await books.send(file_of(row(books, "a", vendor=MISSING_ID)))).status_code == 400
    assert (await books.send(file_of(row(books, "a")), vendor=MISSING_ID)).status_code == 404
    assert (await books.send(file_of(row(books, "a")), token=books.world.ours.token)).status_code == 404


async def test_keys_that_made_no_charge_are_only_yours(books: Books) -> None:
    """Sealed ones and those of reversals: nothing was charged with them."""
    world, vendor = books.world, books.vendor
    await world.stack.send("POST", "/api/customer/charges/resolve/", world.operator, {"vendor": vendor, "idempotency_key": "sealed"})
    reversing = f"/api/customer/charges/{books.charges['e']['id']}/reverse/"
    await world.stack.send("POST", reversing, world.operator, {"reason": "x", "amount": 2}, headers={"idempotency-key": "reversed"})
    await world.stack.settle()
    found = (await books.send(file_of(*[{"idempotency_key": key, "amount": 1} for key in ("sealed", "reversed")]))).json()["results"]
    assert [each["kind"] for each in found[:2]] == ["only_yours", "only_yours"]
    for amount, fields in ((2, None), (0, ["reversed_amount"])):
        wanted = file_of(row(books, "e", reversed_amount=amount))
        told = [each["fields"] for each in (await books.send(wanted)).json()["results"] if each["kind"] == "differing"]
        assert told == ([fields] if fields else [])


async def test_rows_over_grpc_are_compared_alike(books: Books) -> None:
    """Typed rows, numbered by their place unless they have a line."""
    request = pb.ReconcileChargesRequest(vendor_id=books.vendor)
    getattr(request, "from").FromDatetime(books.start)
    request.to.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    request.rows.add(idempotency_key=f"a-{books.vendor}", amount=1, state=charge_pb.CHARGE_STATE_SUCCEEDED)
    request.rows.add(idempotency_key=f"b-{books.vendor}", amount=1)
    request.rows.add(external_id="order-c", amount=1, line=70)
    reply = await books.world.stack.call(METHOD, request, books.world.operator)
    assert reply.code is grpc.StatusCode.OK, reply.details
    answer = response_of(METHOD, reply.content)
    assert [(each.kind, each.line) for each in answer.discrepancies][:2] == [
        (pb.DISCREPANCY_KIND_DIFFERING, 2),
        (pb.DISCREPANCY_KIND_DIFFERING, 70),
    ]
    assert (answer.data.matched, answer.data.differing) == (1, 2)


async def test_bad_rows_are_named_by_line_and_column(books: Books) -> None:
    """Rules of the contract and of the operation, beyond what the door itself reads."""
    for file, field in (
        ("idempotency_key,amount\nk,1\n\nk,0\n", "line 4, amount"),
        ("idempotency_key,amount\nk,1000000000001\n", "line 2, amount"),
        ("idempotency_key,amount\n k,1\n", "line 2, idempotency_key"),
        ("charge,amount\nnope,1\n", "line 2, charge"),
        ("idempotency_key,external_id,amount\nk,,1\n,,1\n", "line 3, idempotency_key"),
        (f"vendor,idempotency_key,amount\n{books.vendor},k,1\n{books.vendor + 1},k,1\n", "line 3, vendor"),
        ("amount\n1\n", "line 2, idempotency_key"),
    ):
        answer = await books.send(file)
        assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (400, [field]), answer.text
    for changes, field in (
        ({"to": "2026-01-01T00:00:00Z"}, "to"),
        ({"page_token": "WyJjaGFyZ2VzIiwieCJd"}, "page_token"),
        ({"page_size": 2_001}, "page_size"),
    ):
        answer = await books.send("idempotency_key,amount\n", **changes)
        assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (400, [field]), answer.text


async def test_a_caller_has_one_reconciliation_at_a_time(books: Books) -> None:
    """A second one of the same caller is told to wait, others are not; too many together are too much."""
    servicer = reconciliation.ReconciliationServicer(
        books.world.stack.customer_charge.cells, books.world.stack.customer_charge.acceptor.require_vendor
    )
    with servicer._turn("user:1"):
        with pytest.raises(reconciliation.ResourceExhausted) as refused, servicer._turn("user:1"):
            pass
        assert refused.value.reason == "TOO_MANY_RECONCILIATIONS"
        with (
            servicer._turn("user:2"),
            servicer._turn("user:3"),
            servicer._turn("user:4"),
            pytest.raises(reconciliation.Overloaded),
            servicer._turn("user:5"),
        ):
            pass
    with servicer._turn("user:1"):
        pass


async def test_the_lookups_read_no_more_than_they_need(books: Books) -> None:
    """Each of them goes by an index, however many charges there are."""
    values = {
        "vendor_id": books.vendor,
        "keys": "{a,b}",
        "external_ids": "{a,b}",
        "limits": "{3,3}",
        "first_id": books.charges["a"]["id"],
        "after_id": books.charges["a"]["id"],
        "stop_id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "limit": 10,
    }
    async with books.world.stack.customer_charge.cells.of(books.vendor).reading() as connection:
        await connection.execute("SET enable_seqscan = off")
        try:
            for statement, index in (
                (CHARGES_BY_KEY, "charge_keys_pkey"),
                (CHARGES_BY_EXTERNAL_ID, "charges_by_external_id"),
                (CHARGES_BETWEEN, "charges_by_vendor"),
            ):
                rows = await (await connection.execute("EXPLAIN " + statement, values)).fetchall()
                assert index in "\n".join(each[0] for each in rows)
        finally:
            await connection.execute("RESET enable_seqscan")
