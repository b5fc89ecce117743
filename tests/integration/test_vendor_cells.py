"""vendor_credit in four cells: each vendor's rows in its own, lists merged, calls split and answered in the order asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from random import Random

import pytest
from charging.audit.v1.audit_pb2 import AuditLogEntry
from charging.vendor_credit.v1 import vendor_credit_pb2 as pb

from services.customer_charge.demo_data import make as make_customers
from services.customer_charge.settings import CustomerChargeSettings
from services.vendor_credit.demo_data import make as make_vendor
from services.vendor_credit.domain.debits import Debit, Outcome
from services.vendor_credit.domain.facts import Fact
from services.vendor_credit.domain.reversals import CreditOutcome, ReversalCredit
from services.vendor_credit.operations import audit_ledgers
from services.vendor_credit.operations.create_vendor import create_vendor
from services.vendor_credit.operations.credit_vendors import credit_vendors
from services.vendor_credit.operations.debit_vendors import debit_vendors
from services.vendor_credit.operations.post_credit import sweep_unposted
from services.vendor_credit.operations.preview_debits import preview_debits
from services.vendor_credit.operations.read_credit_requests import list_credit_requests
from services.vendor_credit.operations.read_reversal_credits import get_credits, list_credits
from services.vendor_credit.operations.read_vendors import get_vendor, list_vendors, lookup_vendors
from services.vendor_credit.operations.relay_facts import relay_facts
from services.vendor_credit.operations.stop_vendors import count_stopped_vendors, stop_vendors
from services.vendor_credit.operations.submit_credit_request import submit_credit_request
from services.vendor_credit.operations.update_vendor import update_vendor
from services.vendor_credit.settings import VendorCreditSettings
from shared.audit_log.messages import audit_log_page
from shared.audit_log.reading import verify_audit_log
from shared.errors import IdempotencyKeyReused, NotFound, Unavailable
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.apart import out_of_reach
from tests.integration.money import Money, open_money

VENDORS = 10
CELLS = 4
FIRST_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def money(four_cells: Databases) -> AsyncIterator[Money]:
    """Give both services' databases in four cells each."""
    async with open_money(four_cells) as opened:
        yield opened


async def vendors_of_all_cells(money: Money, credit: int = 1_000) -> list[int]:
    """Return vendors of every cell, in no order."""
    made = [await money.vendor(credit) for _ in range(VENDORS)]
    while {vendor_id % CELLS for vendor_id in made} != set(range(CELLS)):
        made.append(await money.vendor(credit))
    Random(7).shuffle(made)
    return made


async def test_a_vendor_and_all_of_its_own_live_in_its_cell(four_cells: Databases, money: Money) -> None:
    """Whatever table a vendor is named in, its rows are in the cell that its id says, and its requests' ids say the same one."""
    made = await vendors_of_all_cells(money)
    await debit_vendors(money.vendors, [Debit(uuid7_text(), vendor_id, 10) for vendor_id in made])
    for cell in range(CELLS):
        for table, column in (
            ("vendors", "id"),
            ("vendor_entries", "vendor_id"),
            ("debit_decisions", "vendor_id"),
            ("credit_requests", "vendor_id"),
            ("credit_requests", "id"),
        ):
            found = {row[0] for row in four_cells.rows("vendor_credit", f"SELECT {column} FROM {table}", of=cell)}
            assert found, (cell, table)
            assert {identifier % CELLS for identifier in found} == {cell}, table
    assert await lookup_vendors(money.vendors, [*made, 10**6]) == sorted(made)


async def test_a_repeated_call_finds_the_vendor_that_its_key_made(money: Money) -> None:
    """Keys lead to the cell in which their vendor was made, whoever used them."""
    for number in range(8):
        first, replayed = await create_vendor(money.vendors, name="v", credit_limit=0, principal="user:1", key=f"k{number}")
        again = await create_vendor(money.vendors, name="v", credit_limit=0, principal="user:1", key=f"k{number}")
        assert (again, replayed) == ((first, True), False)
    assert len(await list_vendors(money.vendors, after_id=0, limit=99)) == 8


@pytest.mark.parametrize("key", [f"k{number}" for number in range(5)])
async def test_a_key_made_a_request_in_one_cell_and_is_refused_in_every_other(money: Money, key: str) -> None:
    """Whichever cell the key belongs to: a second use makes nothing, also with another amount, and the request is answered again."""
    first, *others = await vendors_of_all_cells(money, credit=0)
    ask = partial(submit_credit_request, money.vendors, amount=5, principal="user:1", key=key)
    with pytest.raises(NotFound):
        await ask(vendor_id=first + 1_000 * CELLS)
    made, replayed = await ask(vendor_id=first)
    for other in others:
        with pytest.raises(IdempotencyKeyReused):
            await ask(vendor_id=other)
    with pytest.raises(IdempotencyKeyReused):
        await submit_credit_request(money.vendors, vendor_id=first, amount=6, principal="user:1", key=key)
    assert await ask(vendor_id=first) == (made, True)
    assert not replayed
    assert await requests_of(money) == [made.id]


async def test_of_first_uses_of_a_key_at_the_same_moment_one_makes_a_request(money: Money) -> None:
    """In any number of cells, with nobody else to keep them apart."""
    vendors = await vendors_of_all_cells(money, credit=0)
    for number in range(8):
        before = await requests_of(money)
        asked = [
            submit_credit_request(money.vendors, vendor_id=vendor_id, amount=5, principal="user:1", key=f"k{number}")
            for vendor_id in vendors
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, IdempotencyKeyReused)]
        assert len(refused) == len(vendors) - 1, answers
        assert len(await requests_of(money)) == len(before) + 1


async def test_a_request_whose_key_cannot_be_told_is_not_made(money: Money) -> None:
    """The cell of the key is out of reach: the caller comes again, and nothing was made meanwhile."""
    first, *_ = await vendors_of_all_cells(money, credit=0)
    key = next(key for key in map(str, range(99)) if money.vendors.of_text(f"user:1 {key}") is not money.vendors.of(first))
    lost = out_of_reach(money.vendors, money.vendors.all.index(money.vendors.of_text(f"user:1 {key}")))
    with pytest.raises(Unavailable):
        await submit_credit_request(lost, vendor_id=first, amount=5, principal="user:1", key=key)
    assert await requests_of(money) == []


async def requests_of(money: Money) -> list[int]:
    """Return the ids of the requests of all cells."""
    return [each.id for each in await list_credit_requests(money.vendors, vendor_ids=None, state=0, before_id=2**63 - 1, limit=99)]


async def test_lists_of_all_cells_are_merged_page_by_page(money: Money) -> None:
    """No vendor and no request is left out or shown twice, however small the pages."""
    made = await vendors_of_all_cells(money)
    requests = [
        (await submit_credit_request(money.vendors, vendor_id=vendor_id, amount=5, principal="user:1", key=uuid7_text()))[0].id
        for vendor_id in made
    ]
    listed: list[int] = []
    while page := await list_vendors(money.vendors, after_id=listed[-1] if listed else 0, limit=3):
        listed += [vendor.id for vendor in page]
    assert listed == sorted(made)

    newest: list[int] = []
    while True:
        before = newest[-1] if newest else 2**62
        found = await list_credit_requests(money.vendors, before_id=before, vendor_ids=None, state=1, limit=3)
        if not found:
            break
        newest += [request.id for request in found]
    assert newest == sorted(requests, reverse=True)
    mine = await list_credit_requests(money.vendors, before_id=2**62, vendor_ids=made[:2], state=1, limit=99)
    assert {request.vendor_id for request in mine} == set(made[:2])


async def test_debits_of_several_cells_are_answered_in_the_order_asked(money: Money) -> None:
    """One decision for each, sticky in each cell, by vendors without credit too."""
    made = await vendors_of_all_cells(money, credit=50)
    debits = [Debit(uuid7_text(), made[number % len(made)], 20) for number in range(3 * len(made))]
    assert [each.outcome for each in await preview_debits(money.vendors, debits)].count(Outcome.DEBITED) == 2 * len(made)
    decisions = await debit_vendors(money.vendors, debits)
    assert [(each.charge_id, each.vendor_id) for each in decisions] == [(each.charge_id, each.vendor_id) for each in debits]
    assert [each.outcome for each in decisions] == [Outcome.DEBITED] * 2 * len(made) + [Outcome.REFUSED] * len(made)
    again = await debit_vendors(money.vendors, debits)
    assert [(each.charge_id, each.outcome) for each in again] == [(each.charge_id, each.outcome) for each in decisions]
    assert [(await get_vendor(money.vendors, vendor_id)).balance for vendor_id in made] == [10] * len(made)


async def test_a_cell_out_of_reach_leaves_the_debits_of_the_others_made(money: Money) -> None:
    """The call fails, and repeated it is answered whole: what was debited before is debited once."""
    made = await vendors_of_all_cells(money, credit=50)
    debits = [Debit(uuid7_text(), vendor_id, 20) for vendor_id in made]
    lost = out_of_reach(money.vendors, made[0] % CELLS)
    with pytest.raises(Unavailable):
        await debit_vendors(lost, debits)
    balances = {vendor_id: (await get_vendor(money.vendors, vendor_id)).balance for vendor_id in made}
    assert balances == {vendor_id: 50 if vendor_id % CELLS == made[0] % CELLS else 30 for vendor_id in made}
    assert {each.outcome for each in await debit_vendors(money.vendors, debits)} == {Outcome.DEBITED}
    assert {(await get_vendor(money.vendors, vendor_id)).balance for vendor_id in made} == {30}


async def test_credits_back_are_split_and_listed_together(money: Money) -> None:
    """Answered in the order asked, and in pages by reversal id."""
    made = await vendors_of_all_cells(money)
    due = [ReversalCredit(uuid7_text(), vendor_id, 5) for vendor_id in made]
    results = await credit_vendors(money.vendors, [*due, ReversalCredit(uuid7_text(), 10**6, 5)])
    assert [result.outcome for result in results] == [CreditOutcome.CREDITED] * len(made) + [CreditOutcome.NOT_POSSIBLE]
    listed: list[ReversalCredit] = []
    while page := await list_credits(money.vendors, after=listed[-1].reversal_id if listed else FIRST_ID, limit=3):
        listed += page
    assert listed == sorted(due, key=lambda each: each.reversal_id)
    assert await get_credits(money.vendors, [each.reversal_id for each in due]) == listed


async def test_debits_are_listed_in_order_of_charge_whatever_the_cell(money: Money) -> None:
    """Pages leave nothing out: not even the second debit of one charge, which is an alarm, nor a debit that no entry made."""
    made = await vendors_of_all_cells(money)
    debits = [Debit(uuid7_text(), vendor_id, 5) for vendor_id in made]
    twin = Debit(debits[2].charge_id, next(each for each in made if each % CELLS != debits[2].vendor_id % CELLS), 5)
    await debit_vendors(money.vendors, debits)
    await debit_vendors(money.vendors, [twin])
    expected = sorted((each.charge_id, each.vendor_id) for each in [*debits, twin])
    for limit in range(1, 6):
        listed: list[tuple[str, int]] = []
        while True:
            after = listed[-1][0] if listed else FIRST_ID
            page = await audit_ledgers.list_debits(money.vendors, after=after, limit=limit)
            listed += [(each.charge_id, each.vendor_id) for each in page.debits]
            assert page.unposted == []
            if len(page.debits) < limit:
                break
        assert sorted(listed) == expected, limit
        assert [each[0] for each in listed] == [each[0] for each in expected]
    assert len(await audit_ledgers.get_decisions(money.vendors, [twin.charge_id])) == 2


async def test_the_report_of_the_ledgers_is_the_sum_of_the_cells(four_cells: Databases, money: Money) -> None:
    """Vendors, entries and balances of all cells, and what is broken in any."""
    made = await vendors_of_all_cells(money, credit=70)
    report = await audit_ledgers.verify_ledgers(money.vendors)
    figures = (report.vendors, report.balance_total, report.totals.entries, report.totals.confirmed_credit_total, report.findings)
    assert figures == (len(made), 70 * len(made), len(made), 70 * len(made), [])
    four_cells.rows("vendor_credit", f"UPDATE vendors SET balance = balance + 1 WHERE id = {made[0]}")
    assert [f"vendor {made[0]}" in finding for finding in (await audit_ledgers.verify_ledgers(money.vendors)).findings] == [True]
    findings = dict.fromkeys(made[:5], "broken")
    assert sorted(await stop_vendors(money.vendors, findings, actor="test")) == sorted(made[:5])
    assert (await count_stopped_vendors(money.vendors), await stop_vendors(money.vendors, findings, actor="test")) == (5, [])


class Feed:
    """Where facts become events."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    async def append(self, facts: Sequence[Fact]) -> None:
        """Take facts."""
        self.facts += facts


@pytest.mark.parametrize("cell", range(CELLS))
async def test_a_cell_out_of_reach_does_not_hold_up_the_others(money: Money, cell: int) -> None:
    """Sweeps go on in the other cells, and say at the end that one could not be asked."""
    made = await vendors_of_all_cells(money, credit=0)
    for vendor_id in made:
        await money.approved_request(vendor_id, 30)
    lost, feed = out_of_reach(money.vendors, cell), Feed()
    with pytest.raises(Unavailable):
        await sweep_unposted(lost)
    with pytest.raises(Unavailable):
        await relay_facts(lost, feed)
    assert {fact.vendor_id for fact in feed.facts} == {vendor_id for vendor_id in made if vendor_id % CELLS != cell}
    for vendor_id in made:
        assert (await get_vendor(money.vendors, vendor_id)).balance == (0 if vendor_id % CELLS == cell else 30)
    assert await sweep_unposted(money.vendors) == sum(vendor_id % CELLS == cell for vendor_id in made)
    await relay_facts(money.vendors, feed)
    assert {fact.vendor_id for fact in feed.facts} == set(made)


async def test_each_cell_keeps_a_log_and_all_are_listed_by_time(money: Money) -> None:
    """Every chain is whole and counts by itself; pages show each entry once, the latest first, also of one time."""
    made = await vendors_of_all_cells(money)
    for vendor_id in made:
        await update_vendor(money.vendors, vendor_id, name=f"n{vendor_id}", credit_limit=None, suspended=None, actor="user:2")
    heads = [await verify_audit_log(database) for database in money.vendors]
    assert [report.finding for report in heads] == [None] * CELLS
    shown: list[AuditLogEntry] = []
    token = ""
    while True:
        page, token = await audit_log_page(money.vendors.all, pb.ListVendorAuditLogRequest(page_size=3, page_token=token))
        shown += page
        if not token:
            break
    times = [entry.done_at.ToNanoseconds() for entry in shown]
    assert times == sorted(times, reverse=True)
    numbers = {(cell, seq) for cell, report in enumerate(heads) for seq in range(1, report.head.last_seq + 1)}
    assert {(entry.cell, entry.seq) for entry in shown} == numbers
    assert len(shown) == len(numbers)
    (latest,), _ = await audit_log_page(money.vendors.all, pb.ListVendorAuditLogRequest(page_size=1, actor="user:2"))
    assert latest.target == f"vendor:{made[-1]}"


async def test_entries_of_one_time_are_shown_once(four_cells: Databases, money: Money) -> None:
    """Where pages end among entries of one time in several cells, the rest comes on the next."""
    made = await vendors_of_all_cells(money)
    four_cells.rows("vendor_credit", "UPDATE audit_log SET done_at = '2026-01-01 00:00:00+00'")
    entries = four_cells.rows("vendor_credit", "SELECT seq FROM audit_log")
    for size in (1, 2, 5):
        shown, token = [], ""
        while True:
            page, token = await audit_log_page(money.vendors.all, pb.ListVendorAuditLogRequest(page_size=size, page_token=token))
            shown += [(entry.cell, entry.seq) for entry in page]
            if not token:
                break
        assert len(shown) == len(set(shown)) == len(entries) >= len(made), size


async def test_demo_data_has_the_ids_that_the_examples_name(four_cells: Databases, money: Money) -> None:
    """Vendor 1 and customers 1 to 10, each in its cell, made once."""
    vendor_settings = VendorCreditSettings(database_url=four_cells.urls["vendor_credit"], cells=CELLS)
    charge_settings = CustomerChargeSettings(
        database_url=four_cells.urls["customer_charge"], cells=CELLS, webhook_encryption_secret="w" * 32
    )
    for _ in range(2):
        await make_vendor(vendor_settings)
        await make_customers(charge_settings)
    assert [vendor.id for vendor in await list_vendors(money.vendors, after_id=0, limit=9)] == [1]
    found = dict(four_cells.rows("customer_charge", "SELECT id, phone_number FROM customers"))
    assert sorted(found) == list(range(1, 11))
    assert all(number.startswith("+98912000") and money.cells.of_text(number) is money.cells.of(each) for each, number in found.items())
