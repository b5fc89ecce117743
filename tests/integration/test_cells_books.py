"""The books over four cells: whole at every step of a charge between two of them, and what is broken in one is found from the others."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from services.customer_charge.operations import check_new_charges as new_charges
from services.customer_charge.operations import match_between_cells, match_charges
from services.customer_charge.operations.check_new_charges import NewChargesCheck, check_new_charges
from services.customer_charge.operations.check_whole import check_whole
from services.customer_charge.operations.read_books_state import read_books_state
from services.customer_charge.operations.read_customers import get_customer
from services.customer_charge.operations.stop_customers import release_customer, stop_customers
from services.customer_charge.storage import pending_charges
from services.scheduler.books_check import BooksChecker, BooksMetrics
from shared.clock import utc_now
from shared.database import Connection
from shared.errors import Unavailable
from tests.databases import Databases
from tests.integration import apart
from tests.integration.apart import accept, charged, customer_in, out_of_reach, vendor_in
from tests.integration.money import Money, open_money, order
from tests.integration.test_books_check import as_owner

AMOUNT = 10


@pytest.fixture
async def money(four_cells: Databases) -> AsyncIterator[Money]:
    """Give both services' databases, with four cells each."""
    async with open_money(four_cells) as money:
        yield money


async def check(money: Money) -> NewChargesCheck:
    """Check new charges, also those of this very moment."""
    return await check_new_charges(
        money.cells, money.ledger, _stop_nobody, now=utc_now() + timedelta(seconds=1), actor="peer:scheduler", grace=timedelta(0)
    )


async def _stop_nobody(_: Any) -> None:
    """Leave the vendors to the test."""


async def test_a_charge_between_two_cells_is_whole_at_every_step(money: Money) -> None:
    """Debited, it is under way; credited, it is in the customer's balance and not under way any more; and nothing is called broken."""
    vendor_id, customer_id = await vendor_in(money, 1), await customer_in(money, 2)
    await charged(money, vendor_id, customer_id, AMOUNT)
    charge = await accept(money, vendor_id, customer_id, AMOUNT)
    expected = [("debit", AMOUNT, AMOUNT), ("credit_customer", 0, 2 * AMOUNT), ("finish", 0, 2 * AMOUNT)]
    for step, under_way, balance in expected:
        await getattr(apart, step)(money, charge)
        books, found = await money.books(), await check(money)
        assert (books.findings, books.drift, found.findings) == ([], 0, []), step
        assert (books.under_way_total, books.customer_balance_total) == (under_way, balance), step
        assert books.confirmed_credit_total == books.vendor_balance_total + books.customer_balance_total + books.under_way_total, step
    assert (await read_books_state(money.cells)).pending_charges == 0


TAMPERING = {
    "customer_entries": [
        ("DELETE FROM customer_entries WHERE reference = '{charge}'", "its state and its customer entry disagree"),
        ("UPDATE customer_entries SET amount = amount + 1 WHERE reference = '{charge}'", "is of another customer, vendor or amount"),
        ("UPDATE customer_entries SET vendor_id = vendor_id + 4 WHERE reference = '{charge}'", "is of another customer, vendor or amount"),
        ("UPDATE customer_entries SET balance_after = 999 WHERE reference = '{charge}'", "does not follow from the entry in front of it"),
        ("UPDATE customers SET balance = balance + 1 WHERE id = {customer}", "the balance is not what its ledger says"),
    ],
    "charges": [
        ("UPDATE charges SET amount = amount + 1 WHERE id = '{charge}'", "the vendor ledger decided about another vendor or amount"),
        ("UPDATE charges SET state = 3, failure_reason = 1 WHERE id = '{charge}'", "the vendor ledger's decision disagree"),
        ("DELETE FROM charges WHERE id = '{charge}'", "the vendor was debited and the charge is not succeeded or under way"),
    ],
}
CASES = [case for cases in TAMPERING.values() for case in cases]


@pytest.mark.parametrize(("tampering", "finding"), CASES, ids=[str(number) for number in range(len(CASES))])
async def test_what_is_tampered_with_in_one_cell_is_found_beside_the_other(
    four_cells: Databases, money: Money, tampering: str, finding: str
) -> None:
    """By the check of each minute and by the audit; and before it both found nothing."""
    vendor_id, customer_id = await vendor_in(money, 3), await customer_in(money, 0)
    await charged(money, vendor_id, customer_id)
    charge = await charged(money, vendor_id, customer_id)
    await charged(money, await vendor_in(money, 0), await customer_in(money, 3))
    assert (await money.books()).findings == []
    four_cells.rows("customer_charge", tampering.format(charge=charge.charge_id, customer=customer_id))
    assert any(finding in each for each in (await money.books()).findings)
    assert any(finding in each for each in (await check(money)).findings)


async def test_an_entry_without_its_charge_is_found_by_the_audit(four_cells: Databases, money: Money) -> None:
    """Also one for a charge that nobody was debited for yet."""
    vendor_id, customer_id = await vendor_in(money, 1), await customer_in(money, 2)
    early = await accept(money, vendor_id, customer_id, AMOUNT)
    await apart.credit_customer(money, early)
    nobodys = early._replace(charge_id=str(uuid4()))
    await apart.credit_customer(money, nobodys)
    findings = (await money.books()).findings
    assert f"charge {early.charge_id}: it was credited to the customer, and the vendor ledger decided nothing" in findings
    assert f"charge {nobodys.charge_id}: its state and its customer entry disagree" in findings


async def test_rows_in_cells_where_they_do_not_belong_are_found(four_cells: Databases, money: Money) -> None:
    """An entry in the vendor's cell is none that the customer's balance knows of."""
    vendor_id, customer_id = await vendor_in(money, 1), await customer_in(money, 2)
    charge = await accept(money, vendor_id, customer_id, AMOUNT)
    await apart.debit(money, charge)
    await apart.finish(money, charge)
    insert = "INSERT INTO customer_entries VALUES (%s, 1, %s, %s, %s, 1, %s, now())"
    four_cells.rows("customer_charge", insert, (customer_id, vendor_id, AMOUNT, AMOUNT, charge.charge_id), of=vendor_id)
    findings = (await money.books()).findings
    assert f"customer {customer_id} entry 1: it is in cell 1, where it does not belong" in findings
    assert any("its customer entry is of another customer, vendor or amount" in finding for finding in findings)
    assert (await check(money)).drift == AMOUNT


async def test_the_walk_over_all_cells_reads_every_charge_once_whatever_the_page(money: Money, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages end where the first of the cells ends; none is skipped or read twice, and heads are looked at in rotation."""
    monkeypatch.setattr(match_charges, "PAGE", 8)
    monkeypatch.setattr(match_between_cells, "PAGE", 2)
    monkeypatch.setattr(new_charges, "CUSTOMERS", 4)
    vendors = [await vendor_in(money, cell) for cell in (0, 0, 1, 2)]
    customer_ids = [await customer_in(money, cell) for cell in (0, 1, 2, 3, 3)]
    made = [await charged(money, vendor_id, customer_id, 1) for customer_id in customer_ids for vendor_id in vendors]
    pending = await accept(money, vendors[-1], customer_ids[0], 1)
    later = await charged(money, vendors[0], customer_ids[0], 1)
    first = await check(money)
    assert (first.charges, first.findings) == (len(made), [])
    assert (await money.books()).findings == []
    await apart.debit(money, pending)
    await apart.credit_customer(money, pending)
    await apart.finish(money, pending)
    second, third = await check(money), await check(money)
    assert later.charge_id > pending.charge_id
    assert (second.charges, second.findings, third.charges) == (2, [], 0)


async def test_the_rotation_looks_at_every_customer_of_every_cell(
    four_cells: Databases, money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balance that nothing new leads to is found within a round."""
    monkeypatch.setattr(new_charges, "CUSTOMERS", 4)
    customer_ids = [await customer_in(money, cell) for cell in (0, 1, 2, 3, 3, 3)]
    four_cells.rows("customer_charge", "UPDATE customers SET balance = 5", of=customer_ids[-1])
    found: set[int] = set()
    for _ in customer_ids:
        found |= (await check(money)).customers.keys()
    assert found == set(customer_ids[-3:])


async def test_customers_of_several_cells_are_stopped_and_their_release_reaches_the_vendors_cells(money: Money) -> None:
    """Each is stopped in its cell, once; what waits in another cell goes on with the release."""
    vendor_id, customer_ids = await vendor_in(money, 1), [await customer_in(money, cell) for cell in (2, 3)]
    charge = await accept(money, vendor_id, customer_ids[0], AMOUNT)
    findings = dict.fromkeys(customer_ids, "broken")
    assert await stop_customers(money.cells, findings, actor="peer:scheduler") == customer_ids
    assert await stop_customers(money.cells, findings, actor="peer:scheduler") == []

    async def set_aside(connection: Connection) -> None:
        await pending_charges.block_pending(connection, apart.SLOT, [charge.charge_id])

    await money.cells.of(vendor_id).transact(set_aside)
    state = await read_books_state(money.cells)
    assert (state.stopped_customers, state.pending_charges, state.blocked_charges) == (2, 1, 1)
    assert not (await release_customer(money.cells, customer_ids[0], reason="looked into", actor="user:1")).stopped
    state = await read_books_state(money.cells)
    assert (state.stopped_customers, state.pending_charges, state.blocked_charges) == (1, 1, 0)
    assert (await get_customer(money.cells, customer_ids[1], None)).stopped


async def test_what_is_found_in_one_cell_is_told_while_another_is_out_of_reach(four_cells: Databases, money: Money) -> None:
    """The check fails, and the alarm does not wait for it to succeed."""
    broken, unseen = await vendor_in(money, 1), await vendor_in(money, 2)
    as_owner(four_cells, "vendor_credit", f"UPDATE vendors SET balance = balance + 1 WHERE id = {broken}")
    registry = CollectorRegistry()
    logs: Any = SimpleNamespace()
    lost = out_of_reach(money.vendors, unseen % len(money.vendors))
    checker = BooksChecker(lost, money.cells, money.ledger, logs, BooksMetrics(registry), actor="peer:scheduler")
    with pytest.raises(Unavailable):
        await checker.run_once()
    assert any(f"vendor {broken}" in finding for finding in (await read_books_state(money.cells)).findings)


async def test_a_debit_in_two_cells_is_an_alarm(four_cells: Databases, money: Money) -> None:
    """A decision is made once, and all cells together hold it."""
    vendor_id, other_id, customer_id = await vendor_in(money, 1), await vendor_in(money, 2), await customer_in(money, 1)
    charge = await charged(money, vendor_id, customer_id, AMOUNT)
    await money.ledger.debit([charge._replace(vendor_id=other_id)])
    found = await check(money)
    assert found.findings == [f"charge {charge.charge_id}: the vendor ledger decided about it in two cells"]


@pytest.mark.parametrize("customers", [(1, 2), (3, 3)], ids=["of two", "of one"])
async def test_a_charge_id_accepted_in_two_cells_is_an_alarm_for_both_vendors(money: Money, customers: tuple[int, int]) -> None:
    """No door makes an id twice. Were it done, the check of each minute and that of everything would say so, and stop both."""
    vendors = [await vendor_in(money, cell) for cell in (1, 2)]
    ids = {cell: await customer_in(money, cell) for cell in customers}
    twin = order(vendors[0], ids[customers[0]], AMOUNT)
    await money.accept(twin, twin._replace(vendor_id=vendors[1], customer_id=ids[customers[1]], key="another"))
    await money.settle()
    finding = f"charge {twin.charge_id}: the vendor ledger decided about it in two cells"
    found, books, stopped = await check(money), await money.books(), list[int]()
    assert (found.findings, found.vendors) == ([finding], dict.fromkeys(vendors, finding))
    assert found.drift == books.drift == AMOUNT
    assert finding in books.findings

    async def stop(findings: Mapping[int, str]) -> None:
        stopped.extend(vendor_id for vendor_id, sentence in findings.items() if sentence == finding)

    await check_whole(money.cells, money.ledger, stop, actor="peer:scheduler")
    # Known from the check of the minute: nobody is stopped again, and it is told until it agrees.
    assert stopped == []
    assert (await check(money)).findings == [finding]


async def test_the_check_of_everything_stops_both_vendors_of_a_charge_in_two_cells(money: Money) -> None:
    """Also where the check of the minute is past it."""
    vendors, customer_id = [await vendor_in(money, cell) for cell in (1, 2)], await customer_in(money, 3)
    charge = await charged(money, vendors[0], customer_id, AMOUNT)
    await check(money)
    await money.ledger.debit([charge._replace(vendor_id=vendors[1])])
    stopped = dict[int, str]()

    async def stop(findings: Mapping[int, str]) -> None:
        stopped.update(findings)

    await check_whole(money.cells, money.ledger, stop, actor="peer:scheduler")
    assert sorted(stopped) == vendors
