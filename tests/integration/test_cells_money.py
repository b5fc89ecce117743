"""The way of money between four cells: crashes between any two transactions, workers side by side, stops, and cells out of reach."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from services.customer_charge.acceptor import Acceptor
from services.customer_charge.domain.charges import ChargeState, FailureReason, PendingCharge
from services.customer_charge.domain.reversals import PendingReversal, ReversalState
from services.customer_charge.existence import Existence
from services.customer_charge.operations.create_customer import create_customer
from services.customer_charge.operations.credit_apart import credit_customers
from services.customer_charge.operations.debit_apart import decide
from services.customer_charge.operations.read_charges import get_charge
from services.customer_charge.operations.read_customers import get_customer, list_entries
from services.customer_charge.operations.read_reversals import get_reversal
from services.customer_charge.operations.read_work import read_charges_due, read_reversals_due
from services.customer_charge.operations.release_elsewhere import take_on_released
from services.customer_charge.operations.reverse_charge import reverse_charge
from services.customer_charge.operations.settle_charges import finish, settle_slot
from services.customer_charge.operations.settle_reversals import debit_customers, settle_reversals
from services.customer_charge.operations.stop_customers import release_customer, stop_customers
from services.customer_charge.reach import Reach
from services.customer_charge.storage import pending_charges
from shared import database as database_module
from shared.crash_points import operation_of
from shared.database import Connection, Database
from shared.errors import Unavailable
from tests.databases import Databases
from tests.faults.points import BETWEEN_CELLS
from tests.integration.apart import customer_in, vendor_in
from tests.integration.money import Money, open_money, order, reversal_order

HOME, OTHER = 1, 2
AMOUNT = 10


@pytest.fixture
async def money(four_cells: Databases) -> AsyncIterator[Money]:
    """Give both services' databases, with four cells each."""
    async with open_money(four_cells) as money:
        yield money


@dataclass
class Dying:
    """Ends whoever comes to a crash point, once."""

    name: str
    deaths: int = field(default=0)

    def reach(self, moment: str, work: object = None) -> None:
        """Come to a point."""
        if not self.deaths and work is not None and f"{operation_of(work)}.{moment}" == self.name:
            self.deaths += 1
            raise asyncio.CancelledError


async def due(money: Money, cell: int) -> list[PendingCharge]:
    """Return what a worker reads of a cell, all slots together."""
    slots = [slot for slot in range(money.slots) if slot % len(money.cells) == cell]
    return [charge for slot in slots for charge in await read_charges_due(money.cells, slot, limit=100, reach=Reach())]


async def balance(money: Money, customer_id: int) -> int:
    """Return what a customer holds."""
    return (await get_customer(money.cells, customer_id, None)).balance


async def assert_whole(money: Money) -> None:
    """Expect that the books of all cells agree, and that nothing is under way."""
    books = await money.books()
    assert (books.findings, books.drift, books.under_way_total) == ([], 0, 0)
    assert books.confirmed_credit_total == books.vendor_balance_total + books.customer_balance_total


async def test_a_batch_for_customers_of_every_cell_is_settled_once(money: Money) -> None:
    """Some customers live with their vendor and some do not; every one is credited once, and each ledger is whole."""
    vendors = [await vendor_in(money, cell) for cell in range(4)]
    customers = [await customer_in(money, cell) for cell in range(4)]
    accepted = await money.accept(*[order(vendor, customer, AMOUNT) for vendor in vendors for customer in customers for _ in range(3)])
    assert await money.settle() == len(accepted)
    assert [await balance(money, customer) for customer in customers] == [len(vendors) * 3 * AMOUNT] * 4
    states = {(await get_charge(money.cells, each.charge.id, None)).state for each in accepted}
    assert states == {ChargeState.SUCCEEDED}
    await assert_whole(money)


@pytest.mark.parametrize("name", [point.name for pair in BETWEEN_CELLS[:2] for point in pair[:2]] + ["settle_charges.before_commit"])
async def test_a_crash_at_any_commit_between_cells_loses_and_doubles_nothing(
    money: Money, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies there, with charges and a reversal on their way; the next one brings all of it to its end, once."""
    vendor, customer = await vendor_in(money, HOME), await customer_in(money, OTHER)
    taken_back = await money.charged(vendor, customer, 3 * AMOUNT)
    await money.accept(*[order(vendor, customer, AMOUNT) for _ in range(5)])
    reversal = (await money.reverse(taken_back, AMOUNT)).reversal
    dying = Dying(name)
    monkeypatch.setattr(database_module, "crash_point", dying.reach)
    for work in (money.settle, money.settle_reversals):
        with suppress(asyncio.CancelledError):
            await work()
    assert dying.deaths == 1
    await money.settle()
    await money.settle_reversals()
    assert await balance(money, customer) == 5 * AMOUNT + 2 * AMOUNT
    assert (await get_reversal(money.cells, reversal.id, None)).state == ReversalState.SUCCEEDED
    await assert_whole(money)


async def test_workers_side_by_side_and_late_ones_credit_once(money: Money) -> None:
    """Four work on the same charges at once, and one acts much later on what it read before."""
    vendor, customers = await vendor_in(money, HOME), [await customer_in(money, cell) for cell in (0, 2, 3)]
    await money.accept(*[order(vendor, customer, AMOUNT) for customer in customers for _ in range(4)])
    stale = await due(money, HOME)
    verdicts = await money.ledger.debit(stale)
    await asyncio.gather(*[money.settle() for _ in range(4)])
    assert await finish(money.cells, vendor % money.slots, verdicts) == set()
    for cell, part in money.cells.split(stale, lambda charge: charge.customer_id).items():
        assert await credit_customers(money.cells[cell], part) == set()
    assert [await balance(money, customer) for customer in customers] == [4 * AMOUNT] * 3
    await assert_whole(money)


async def stopped(money: Money, customer: int) -> None:
    """Stop a customer."""
    assert await stop_customers(money.cells, {customer: "looked at by a test"}, actor="test") == [customer]


async def test_a_stopped_customer_of_another_cell_is_refused_or_set_aside_until_its_release(money: Money) -> None:
    """What was debited before the stop waits, its companions go on, what comes after is refused, and the release takes it on."""
    vendor, customer, companion = await vendor_in(money, HOME), await customer_in(money, OTHER), await customer_in(money, OTHER, "+98935")
    (early, _) = await money.accept(order(vendor, customer, AMOUNT), order(vendor, companion, AMOUNT))
    verdicts = await money.ledger.debit(await due(money, HOME))
    await stopped(money, customer)
    assert len(await finish(money.cells, vendor % money.slots, verdicts)) == 1
    (late,) = await money.accept(order(vendor, customer, AMOUNT))
    await money.settle()
    assert (await get_charge(money.cells, late.charge.id, None)).failure_reason == FailureReason.ACCOUNT_STOPPED
    assert (await get_charge(money.cells, early.charge.id, None)).state == ChargeState.ACCEPTED
    assert (await balance(money, customer), await balance(money, companion)) == (0, AMOUNT)
    await release_customer(money.cells, customer, reason="looked at", actor="test")
    assert await money.settle() == 1
    assert await balance(money, customer) == AMOUNT
    await assert_whole(money)


async def test_a_charge_set_aside_just_after_the_release_is_found_by_the_sweep(money: Money) -> None:
    """The worker saw the stop, the release saw nothing set aside: nobody else would ever look."""
    vendor, customer = await vendor_in(money, HOME), await customer_in(money, OTHER)
    await money.accept(order(vendor, customer, AMOUNT))
    (charge,) = await due(money, HOME)
    (verdict,) = await money.ledger.debit([charge])
    await stopped(money, customer)
    assert await credit_customers(money.cells[OTHER], [charge]) == {charge.charge_id}
    await release_customer(money.cells, customer, reason="looked at", actor="test")

    async def set_aside(connection: Connection) -> None:
        await pending_charges.block_pending(connection, vendor % money.slots, [charge.charge_id], [charge.charge_id])

    await money.cells[HOME].transact(set_aside)
    assert verdict.debited
    assert await money.settle() == 0
    assert await take_on_released(money.cells, HOME, Reach()) == 1
    assert await money.settle() == 1
    await assert_whole(money)


@pytest.mark.parametrize("name", [point.name for point in BETWEEN_CELLS[2][:2]])
async def test_a_sweep_that_dies_while_it_takes_charges_on_is_repeated(money: Money, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its COMMIT nothing has happened, after it everything."""
    vendor, customer = await vendor_in(money, HOME), await customer_in(money, OTHER)
    await money.accept(order(vendor, customer, AMOUNT))
    verdicts = await money.ledger.debit(await due(money, HOME))
    await stopped(money, customer)
    await finish(money.cells, vendor % money.slots, verdicts)
    monkeypatch.setattr("services.customer_charge.operations.stop_customers.pending_charges.unblock_customer", _nothing)
    await release_customer(money.cells, customer, reason="looked at", actor="test")
    dying = Dying(name)
    monkeypatch.setattr(database_module, "crash_point", dying.reach)
    with pytest.raises(asyncio.CancelledError):
        await take_on_released(money.cells, HOME, Reach())
    assert await take_on_released(money.cells, HOME, Reach()) == (1 if name.endswith("before_commit") else 0)
    assert await money.settle() == 1
    await assert_whole(money)


async def _nothing(*_: object) -> None:
    """Be a release that died before it told the other cells."""


async def test_what_is_set_aside_for_a_customer_still_stopped_stays_so(money: Money) -> None:
    """The sweep frees nobody whom no person released."""
    vendor, customer = await vendor_in(money, HOME), await customer_in(money, OTHER)
    await money.accept(order(vendor, customer, AMOUNT))
    verdicts = await money.ledger.debit(await due(money, HOME))
    await stopped(money, customer)
    await finish(money.cells, vendor % money.slots, verdicts)
    assert await take_on_released(money.cells, HOME, Reach()) == 0


async def reversal_due(money: Money, cell: int) -> list[PendingReversal]:
    """Return what a worker reads."""
    return await read_reversals_due(money.cells, cell, limit=100, reach=Reach())


async def test_a_refusal_by_a_customer_of_another_cell_stands_whatever_it_holds_later(money: Money) -> None:
    """One worker hears that it cannot pay and dies; by then it can, and it is not debited for a reversal that fails."""
    vendor, customer = await vendor_in(money, HOME), await customer_in(money, OTHER)
    charge_id = await money.charged(vendor, customer, 3 * AMOUNT)
    await money.spend(customer, 2 * AMOUNT)
    reversal = (await money.reverse(charge_id)).reversal
    stale = await reversal_due(money, HOME)
    first = await decide(money.cells[OTHER], stale)
    assert (set(first.debited), first.refused[reversal.id]) == (set(), (AMOUNT, 2 * AMOUNT))
    await money.charged(vendor, customer, 5 * AMOUNT)
    assert await decide(money.cells[OTHER], stale) == first
    assert await money.settle_reversals() == 1
    found = await get_reversal(money.cells, reversal.id, None)
    assert (found.state, found.available, found.shortfall) == (ReversalState.FAILED, AMOUNT, 2 * AMOUNT)
    assert await debit_customers(money.cells, stale) == ([], [])
    assert await balance(money, customer) == 6 * AMOUNT


async def test_reversals_side_by_side_debit_a_customer_of_another_cell_once(money: Money) -> None:
    """Four workers at once, and one that comes later with what it read before."""
    vendor, customer = await vendor_in(money, HOME), await customer_in(money, OTHER)
    charges = [await money.charged(vendor, customer, 2 * AMOUNT) for _ in range(3)]
    for charge_id in charges:
        await money.reverse(charge_id, AMOUNT)
    stale = await reversal_due(money, HOME)
    assert sum(await asyncio.gather(*[money.settle_reversals() for _ in range(4)])) == 3
    assert await debit_customers(money.cells, stale) == ([], [])
    assert await balance(money, customer) == 3 * AMOUNT
    await assert_whole(money)


async def test_reversals_of_a_stopped_customer_of_another_cell_wait_and_hold_up_no_other(money: Money) -> None:
    """However many wait in front: the batch is filled with those behind them."""
    vendor, customer, companion = await vendor_in(money, HOME), await customer_in(money, OTHER), await customer_in(money, 3)
    charges = [await money.charged(vendor, each, AMOUNT) for each in (customer, customer, companion)]
    for charge_id in charges:
        await money.reverse(charge_id)
    await stopped(money, customer)
    assert await settle_reversals(money.cells, HOME, money.ledger.reversals, limit=1) == 1
    assert (await balance(money, customer), await balance(money, companion)) == (2 * AMOUNT, 0)
    await release_customer(money.cells, customer, reason="looked at", actor="test")
    assert await money.settle_reversals() == 2
    await assert_whole(money)


class Away:
    """Takes a cell out of reach while it is used."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self._database, self._patch = database, monkeypatch

    def __enter__(self) -> None:
        """Let every call fail."""

        def unavailable(*_: object, **__: object) -> None:
            raise Unavailable("the database is out of reach", reason="DATABASE_UNAVAILABLE")

        for name in ("reading", "transact", "transact_pipelined", "transact_at_once"):
            self._patch.setattr(self._database, name, unavailable)

    def __exit__(self, *_: object) -> None:
        """Let them reach it again."""
        self._patch.undo()


async def test_a_cell_out_of_reach_holds_up_only_its_own_customers(money: Money, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of its customers' charges and reversals stand in front; when it is back they go on."""
    vendor, away, near = await vendor_in(money, HOME), await customer_in(money, OTHER), await customer_in(money, 3)
    back = [await money.charged(vendor, customer, AMOUNT) for customer in (away, near)]
    await money.accept(*[order(vendor, away, AMOUNT) for _ in range(4)], order(vendor, near, AMOUNT))
    for charge_id in back:
        await money.reverse(charge_id)
    slot, reach = vendor % money.slots, Reach()
    with Away(money.cells[OTHER], monkeypatch):
        assert await settle_slot(money.cells, money.ledger, slot, limit=2, reach=reach) == 1
        assert await settle_reversals(money.cells, HOME, money.ledger.reversals, limit=1, reach=reach) == 1
        assert reach.away() == [OTHER]
    assert await balance(money, near) == AMOUNT
    assert (await money.settle(), await money.settle_reversals()) == (4, 1)
    await assert_whole(money)


async def test_a_cell_lost_between_debit_and_credit_leaves_its_charges_pending(money: Money, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor is debited; nothing is finished that was not credited."""
    vendor, away, near = await vendor_in(money, HOME), await customer_in(money, OTHER), await customer_in(money, 3)
    await money.accept(order(vendor, away, AMOUNT), order(vendor, near, AMOUNT))
    verdicts = await money.ledger.debit(await due(money, HOME))
    with Away(money.cells[OTHER], monkeypatch):
        assert len(await finish(money.cells, vendor % money.slots, verdicts)) == 1
    assert (await balance(money, away), await balance(money, near)) == (0, AMOUNT)
    assert await money.settle() == 1
    await assert_whole(money)


async def test_a_reversal_finds_its_charge_in_any_cell_and_calls_none_missing_that_may_be_out_of_reach(
    money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an operator, who sees all vendors, and by a partner of vendors in two cells."""
    vendor, neighbour, customer = await vendor_in(money, HOME), await vendor_in(money, 3), await customer_in(money, OTHER)
    charge_id = await money.charged(vendor, customer, AMOUNT)
    with Away(money.cells[3], monkeypatch):
        assert not (await money.reverse(charge_id, 1)).replayed
    with Away(money.cells[HOME], monkeypatch), pytest.raises(Unavailable):
        await money.reverse(charge_id, 1)
    assert (await reverse_charge(money.cells, reversal_order(charge_id, 1), [neighbour, vendor])).reversal.vendor_id == vendor
    assert await money.settle_reversals() == 2


async def test_a_new_customer_lives_where_its_number_says_and_is_seen_by_vendors_of_every_cell(money: Money) -> None:
    """Its id leaves the number of that cell; made again it is the same one, with a vendor in yet another cell."""
    vendors = [await vendor_in(money, cell) for cell in (0, 3)]
    number = "+989120000077"
    first = await create_customer(money.cells, number, vendors[:1], vendors[:1])
    again = await create_customer(money.cells, number, vendors, vendors)
    assert (again.id, again.created_at) == (first.id, first.created_at)
    assert money.cells.of(first.id) is money.cells.of_text(number)
    for vendor in vendors:
        assert (await get_customer(money.cells, first.id, [vendor])).id == first.id


async def test_orders_of_one_bulk_call_go_to_the_cells_of_their_vendors(money: Money) -> None:
    """Results come in the order of the items, and every slot that got work is told of, by its number over all cells."""
    woken: set[int] = set()

    def wake(slot: int, *, stream: bool = False) -> None:
        woken.add(slot)

    acceptor = Acceptor(money.cells, slots=2, vendors=_everyone(), customers=_everyone(), wake=wake)
    vendors, customer = [await vendor_in(money, cell) for cell in (3, 0, 2, 0)], await customer_in(money, OTHER)
    orders = [order(vendor, customer, AMOUNT) for vendor in vendors]
    results = await acceptor.accept_many(orders)
    one = await acceptor.accept(order(vendors[0], customer, AMOUNT))
    assert [result.charge.id for result in results if not isinstance(result, Exception)] == [each.charge_id for each in orders]
    assert woken == {vendor % 8 for vendor in vendors}
    await acceptor.close()
    assert sum([await settle_slot(money.cells, money.ledger, slot, limit=100) for slot in sorted(woken)]) == len(orders) + 1
    assert (await get_charge(money.cells, one.charge.id, None)).state == ChargeState.SUCCEEDED
    entries = await list_entries(money.cells, customer, before=None, visible_vendors=None, limit=10)
    assert sorted(entry.reference for entry in entries) == sorted([one.charge.id, *(each.charge_id for each in orders)])


def _everyone() -> Existence:
    async def all_of(identifiers: set[int]) -> set[int]:
        return identifiers

    return Existence(all_of)
