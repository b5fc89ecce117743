"""The books over four cells while charges and reversals run between them, and at every step of a reversal."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.customer_charge.domain.reversals import PendingReversal
from services.customer_charge.operations.check_new_charges import check_new_charges
from services.customer_charge.operations.check_new_reversals import NewReversalsCheck, check_new_reversals
from services.customer_charge.operations.debit_apart import decide
from services.customer_charge.operations.read_reversals import get_reversal, list_reversals
from services.customer_charge.operations.settle_reversals import debit_customers, finish
from services.vendor_credit.domain.reversals import ReversalCredit
from services.vendor_credit.operations.credit_vendors import credit_vendors
from shared.clock import utc_now
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.apart import charged, customer_in, vendor_in
from tests.integration.money import Money, open_money, order

AMOUNT = 10


@pytest.fixture
async def money(four_cells: Databases) -> AsyncIterator[Money]:
    """Give both services' databases, with four cells each."""
    async with open_money(four_cells) as money:
        yield money


async def _stop_nobody(_: Any) -> None:
    """Leave the vendors to the test."""


def this_moment() -> dict[str, Any]:
    """Return what lets a check see also what is new at this very moment."""
    return {"now": utc_now() + timedelta(seconds=1), "actor": "peer:scheduler", "grace": timedelta(0)}


async def check(money: Money) -> NewReversalsCheck:
    """Check new reversals."""
    return await check_new_reversals(money.cells, money.ledger.reversals, _stop_nobody, **this_moment())


async def reversal_between_cells(money: Money) -> PendingReversal:
    """Accept a reversal of a charge whose customer lives in another cell; return what is left to do."""
    charge = await charged(money, await vendor_in(money, 1), await customer_in(money, 2), AMOUNT)
    made = (await money.reverse(charge.charge_id)).reversal
    return PendingReversal(made.id, made.charge_id, made.vendor_id, made.customer_id, made.amount)


async def test_a_reversal_between_two_cells_is_whole_at_every_step(money: Money) -> None:
    """Taken from the customer it is under way, also before the reversal says so; given back it is not; and nothing is called broken."""
    pending = await reversal_between_cells(money)
    vendors_cell = money.cells.of(pending.vendor_id)
    credits_made: list[Any] = []

    async def credit() -> None:
        credits_made.extend(await money.ledger.reversals.credit([pending]))

    steps = [
        (lambda: decide(money.cells.of(pending.customer_id), [pending]), AMOUNT),
        (lambda: debit_customers(money.cells, [pending]), AMOUNT),
        (credit, 0),
        (lambda: finish(vendors_cell, [pending], credits_made), 0),
    ]
    for number, (step, under_way) in enumerate(steps):
        await step()
        books, found = await money.books(), await check(money)
        assert (books.findings, books.drift, found.findings) == ([], 0, []), number
        assert (books.under_way_total, books.customer_balance_total) == (under_way, 0), number
        assert books.confirmed_credit_total == books.vendor_balance_total + books.under_way_total, number
    assert (await money.books()).pending_reversals == 0


@pytest.mark.parametrize(
    ("tampering", "finding"),
    [
        ("DELETE FROM customer_entries WHERE reference = '{reversal}'", "the vendor was credited and the customer not debited alike"),
        ("UPDATE customer_entries SET amount = amount - 1 WHERE reference = '{reversal}'", "is of another customer, vendor or amount"),
        ("UPDATE customer_entries SET balance_after = 3 WHERE reference = '{reversal}'", "does not follow from the entry in front of it"),
        ("UPDATE reversals SET debited_at = NULL, state = 3, failure_reason = 1 WHERE id = '{reversal}'", "entry disagree"),
        ("DELETE FROM reversals WHERE id = '{reversal}'", "the vendor was credited and the customer not debited alike"),
    ],
)
async def test_what_is_tampered_with_is_found_beside_the_other_cell(
    four_cells: Databases, money: Money, tampering: str, finding: str
) -> None:
    """By the check of each minute and by the audit; and before it the audit found nothing."""
    pending = await reversal_between_cells(money)
    assert await money.settle_reversals() == 1
    assert (await money.books()).findings == []
    four_cells.rows("customer_charge", tampering.format(reversal=pending.reversal_id))
    assert any(finding in each for each in (await money.books()).findings)
    assert any(finding in each for each in (await check(money)).findings)


@pytest.mark.parametrize("credited_first", [True, False])
async def test_a_reversal_credited_in_two_cells_is_an_alarm_for_both_vendors(money: Money, credited_first: bool) -> None:
    """Whichever cell the other vendor lives in: the check of each minute and the audit say so, and the amount counts once."""
    pending = await reversal_between_cells(money)
    cells = [cell for cell in range(4) if (cell < pending.vendor_id % 4) == credited_first and cell != pending.vendor_id % 4]
    other = await vendor_in(money, cells[0])
    assert await money.settle_reversals() == 1
    await credit_vendors(money.vendors, [ReversalCredit(pending.reversal_id, other, pending.amount)])
    finding = f"reversal {pending.reversal_id}: the vendor ledger credited it in two cells"
    books, found = await money.books(), await check(money)
    assert finding in books.findings
    assert finding in found.findings
    assert found.vendors == dict.fromkeys([pending.vendor_id, other], finding)
    assert found.drift == books.drift == pending.amount


async def test_reversals_of_all_cells_are_listed_newest_first_over_pages(money: Money) -> None:
    """And each is found in whichever cell it is."""
    vendors = [await vendor_in(money, cell) for cell in (0, 1, 3)]
    customer_id = await customer_in(money, 2)
    made = [(await money.reverse((await charged(money, vendor_id, customer_id)).charge_id)).reversal for vendor_id in vendors]
    ids = sorted((each.id for each in made), reverse=True)
    before_all, found = "ffffffff-ffff-ffff-ffff-ffffffffffff", list[str]()
    before = before_all
    while page := await list_reversals(money.cells, before_id=before, vendor_ids=None, charge_id=None, state=0, limit=2):
        found += [each.id for each in page]
        before = found[-1]
    assert found == ids
    for each in made:
        assert (await get_reversal(money.cells, each.id, [each.vendor_id])).id == each.id
        only = await list_reversals(money.cells, before_id=before_all, vendor_ids=None, charge_id=each.charge_id, state=0, limit=9)
        assert [one.id for one in only] == [each.id]


async def test_no_false_alarm_while_money_moves_between_cells(money: Money) -> None:
    """Checks and audits beside accepting, settling and reversing find nothing, whatever moment they see; in the end all is whole."""
    vendors = [await vendor_in(money, cell, 100_000) for cell in range(4)]
    customer_ids = [await customer_in(money, cell) for cell in range(4)]
    running = True

    async def trade() -> None:
        for number in range(12):
            orders = [order(vendor, customer, AMOUNT) for vendor in vendors for customer in customer_ids]
            accepted = await money.accept(*orders)
            await asyncio.gather(money.settle(), money.settle())
            await asyncio.gather(*[money.reverse(each.charge.id, key=uuid7_text()) for each in accepted[number % 4 :: 4]])
            await asyncio.gather(money.settle_reversals(), money.settle_reversals())

    async def look() -> int:
        looks = 0
        while running:
            assert (await check_new_charges(money.cells, money.ledger, _stop_nobody, **this_moment())).findings == []
            assert (await check(money)).findings == []
            assert (await money.books()).findings == []
            looks += 1
        return looks

    looking = asyncio.create_task(look())
    await trade()
    running = False
    assert await looking > 1
    books = await money.books()
    assert (books.findings, books.drift, books.under_way_total, books.pending_charges) == ([], 0, 0, 0)
    assert books.charges == 12 * 16
    assert books.customer_balance_total == 12 * 12 * AMOUNT
    assert books.confirmed_credit_total == books.vendor_balance_total + books.customer_balance_total
