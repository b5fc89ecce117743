"""Reversing charges on real databases: exactly once and never more than the charge, whatever is repeated, lost or done side by side."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import psycopg
import pytest

from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.domain.reversals import Credit, PendingReversal, Reversal, ReversalState
from services.customer_charge.operations.check_books import Books
from services.customer_charge.operations.read_charges import get_charge
from services.customer_charge.operations.read_customers import get_customer, list_entries
from services.customer_charge.operations.read_reversals import get_reversal, list_reversals
from services.customer_charge.operations.reverse_charge import AcceptedReversal, reverse_charge
from services.customer_charge.operations.settle_reversals import debit_customers, finish, settle_reversals
from services.customer_charge.operations.sweep_reversals import sweep_reversals
from services.customer_charge.storage import pending_reversals
from services.vendor_credit.domain.reversals import ReversalCredit
from services.vendor_credit.operations.credit_vendors import credit_vendors
from services.vendor_credit.operations.read_vendors import get_vendor
from services.vendor_credit.operations.update_vendor import update_vendor
from shared.errors import Conflict, FailedPrecondition, IdempotencyKeyReused, NotFound, Unavailable
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.money import Money, open_money, order, reversal_order

LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


async def whole_books(money: Money) -> Books:
    """Return the books, which must be whole, with no unit missing."""
    books = await money.books()
    assert (books.findings, books.drift) == ([], 0)
    held = books.vendor_balance_total + books.customer_balance_total + books.under_way_total
    assert books.confirmed_credit_total == held + money.spent
    return books


@pytest.fixture
async def unchecked(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases to a test that breaks the books."""
    async with open_money(databases) as opened:
        yield opened


@pytest.fixture
async def money(unchecked: Money) -> AsyncIterator[Money]:
    """Give both services' databases, and check the books at the end of the test."""
    yield unchecked
    await whole_books(unchecked)


async def now(money: Money, reversal_id: str) -> Reversal:
    """Return the reversal as it is now."""
    return await get_reversal(money.cells, reversal_id, None)


async def balances(money: Money, vendor_id: int, customer_id: int) -> tuple[int, int]:
    """Return what the vendor and the customer hold."""
    vendor, customer = await get_vendor(money.vendors, vendor_id), await get_customer(money.cells, customer_id, None)
    assert customer.balance is not None
    return vendor.balance, customer.balance


async def pending(money: Money) -> list[PendingReversal]:
    """Return what a worker reads."""
    found = []
    for database in money.cells:
        async with database.reading() as connection:
            found += await pending_reversals.read_pending(connection, limit=1_000)
    return found


async def test_a_reversal_moves_its_amount_back_and_is_linked_both_ways(money: Money) -> None:
    """Customer down, vendor up; the reversal names the charge, the charge shows the amount and stays succeeded."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 300)
    accepted = await money.reverse(charge_id, 120)
    assert (accepted.reversal.state, accepted.reversal.charge_id, accepted.replayed) == (ReversalState.ACCEPTED, charge_id, False)
    assert (await get_charge(money.cells, charge_id, None)).reversed_amount == 0
    assert await money.settle_reversals() == 1
    assert (await now(money, accepted.reversal.id)).state == ReversalState.SUCCEEDED
    charge = await get_charge(money.cells, charge_id, None)
    assert (charge.state, charge.reversed_amount) == (ChargeState.SUCCEEDED, 120)
    assert await balances(money, vendor_id, customer_id) == (820, 180)
    entry, _ = await list_entries(money.cells, customer_id, before=None, visible_vendors=None, limit=10)
    assert (entry.kind, entry.amount, entry.reference, entry.balance_after) == (2, -120, accepted.reversal.id, 180)


async def test_without_an_amount_all_that_is_left_is_reversed(money: Money) -> None:
    """The whole charge, or what earlier reversals left of it; after that nothing."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 300)
    await money.reverse(charge_id, 100)
    assert (await money.reverse(charge_id)).reversal.amount == 200
    with pytest.raises(FailedPrecondition) as refused:
        await money.reverse(charge_id)
    assert (refused.value.reason, refused.value.metadata["reversible"]) == ("REVERSAL_EXCEEDS_CHARGE", "0")
    await money.settle_reversals()
    assert await balances(money, vendor_id, customer_id) == (1_000, 0)


async def test_parallel_reversals_never_exceed_the_charge(money: Money) -> None:
    """Of 100 reversals side by side exactly those pass that the charge has room for."""
    vendor_id, customer_id = await money.vendor(5_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 1_000)
    await money.charged(vendor_id, customer_id, 4_000)
    results = await asyncio.gather(*[money.reverse(charge_id, 30) for _ in range(100)], return_exceptions=True)
    accepted = [result for result in results if isinstance(result, AcceptedReversal)]
    assert len(accepted) == 1_000 // 30
    refused = [result for result in results if not isinstance(result, AcceptedReversal)]
    # The lock lets each see what the others took: none gets as far as the CHECK behind it.
    assert {getattr(result, "reason", repr(result)) for result in refused} == {"REVERSAL_EXCEEDS_CHARGE"}
    settled = await asyncio.gather(*[money.settle_reversals() for _ in range(4)])
    assert sum(settled) == len(accepted)
    assert (await get_charge(money.cells, charge_id, None)).reversed_amount == 990
    assert await balances(money, vendor_id, customer_id) == (990, 4_010)


async def test_the_database_refuses_more_than_the_charge(money: Money) -> None:
    """Should the code ever forget to look, a CHECK stands behind it."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 300)
    for change in ("reserved_amount = 301, reversed_amount = 0", "reserved_amount = 10, reversed_amount = 11", "reserved_amount = 5"):
        async with money.cells.of(vendor_id).reading() as connection:
            with pytest.raises(psycopg.errors.CheckViolation):
                await connection.execute(f"UPDATE charges SET {change} WHERE id = %s", [charge_id])


async def test_a_key_makes_one_reversal_whatever_is_submitted_in_parallel(money: Money) -> None:
    """100 submissions of one key make one reversal, and each is answered with it."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 300)
    results = await asyncio.gather(*[money.reverse(charge_id, 3, key="same") for _ in range(100)])
    assert len({result.reversal.id for result in results}) == 1
    assert sum(not result.replayed for result in results) == 1
    await money.settle_reversals()
    assert (await money.reverse(charge_id, 3, key="same")).reversal.state == ReversalState.SUCCEEDED
    assert await balances(money, vendor_id, customer_id) == (703, 297)


async def test_a_key_stands_for_one_payload_only(money: Money) -> None:
    """Another amount, reason or charge under a used key is refused, and so is a charge; a reversal under a charge's key too."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id, other_id = await money.charged(vendor_id, customer_id, 300), await money.charged(vendor_id, customer_id, 300)
    await money.reverse(charge_id, 300, key="k")
    others = [
        reversal_order(charge_id, None, "k"),
        reversal_order(charge_id, 299, "k"),
        reversal_order(other_id, 300, "k"),
        reversal_order(charge_id, 300, "k", reason="another"),
    ]
    for other in others:
        with pytest.raises(IdempotencyKeyReused):
            await reverse_charge(money.cells, other, None)
    (result,) = await money.accept_batch([order(vendor_id, customer_id, 300, "k")])
    assert isinstance(result, IdempotencyKeyReused)
    await money.accept(order(vendor_id, customer_id, 5, "charge"))
    with pytest.raises(IdempotencyKeyReused):
        await money.reverse(other_id, 5, key="charge")
    await money.settle()


async def test_a_sealed_key_makes_no_reversal(money: Money) -> None:
    """Who was told that a key can never be used is not contradicted by a reversal."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 300)
    async with money.cells.of(vendor_id).reading() as connection:
        await connection.execute("INSERT INTO charge_keys (vendor_id, key, state, created_at) VALUES (%s, 'sealed', 2, now())", [vendor_id])
    with pytest.raises(Conflict) as refused:
        await money.reverse(charge_id, 5, key="sealed")
    assert refused.value.reason == "KEY_SEALED"


async def test_repeating_an_order_after_an_unknown_outcome_is_the_same_reversal(money: Money) -> None:
    """The same ids, sent again because the first answer was lost, are no replay of somebody else and no second reversal."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    wanted = reversal_order(await money.charged(vendor_id, customer_id, 300))
    first = await reverse_charge(money.cells, wanted, None)
    second = await reverse_charge(money.cells, wanted, None)
    assert (second.reversal.id, second.replayed) == (first.reversal.id, False)
    assert await money.settle_reversals() == 1


async def test_only_a_charge_that_succeeded_can_be_reversed(money: Money) -> None:
    """An accepted one and a failed one are refused, and a refusal leaves nothing behind: the key may be used again."""
    vendor_id, customer_id = await money.vendor(100), await money.customer()
    high, low = await money.accept(order(vendor_id, customer_id, 101), order(vendor_id, customer_id, 50))
    with pytest.raises(FailedPrecondition) as refused:
        await money.reverse(low.charge.id, key="again")
    assert (refused.value.reason, refused.value.metadata["state"]) == ("CHARGE_NOT_SUCCEEDED", "accepted")
    await money.settle()
    with pytest.raises(FailedPrecondition) as refused:
        await money.reverse(high.charge.id)
    assert (refused.value.reason, refused.value.metadata["state"]) == ("CHARGE_NOT_SUCCEEDED", "failed")
    assert not (await money.reverse(low.charge.id, key="again")).replayed


async def test_anothers_charge_and_reversal_are_as_missing(money: Money) -> None:
    """Who may see other vendors only is told that there is nothing."""
    vendor_id, customer_id = await money.vendor(100), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 100)
    for charge in (charge_id, uuid7_text()):
        with pytest.raises(NotFound) as missing:
            await reverse_charge(money.cells, reversal_order(charge), [vendor_id + 1])
        assert missing.value.reason == "CHARGE_NOT_FOUND"
    accepted = await money.reverse(charge_id)
    with pytest.raises(NotFound):
        await get_reversal(money.cells, accepted.reversal.id, [vendor_id + 1])
    listed = [
        await list_reversals(money.cells, before_id=LAST, vendor_ids=[owner], charge_id=charge_id, state=0, limit=9)
        for owner in (vendor_id, vendor_id + 1)
    ]
    assert listed == [[accepted.reversal], []]


async def test_a_customer_that_holds_too_little_fails_the_reversal_and_frees_the_charge(money: Money) -> None:
    """Nothing moves, the reason says what was there and what was missing, a smaller one behind it passes, and it may be tried again."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 300)
    await money.spend(customer_id, 200)
    high, low = await money.reverse(charge_id, 150), await money.reverse(charge_id, 60)
    assert await money.settle_reversals() == 2
    failed = await now(money, high.reversal.id)
    assert (failed.state, failed.failure_reason, failed.available, failed.shortfall) == (ReversalState.FAILED, 1, 100, 50)
    assert (await now(money, low.reversal.id)).state == ReversalState.SUCCEEDED
    assert await balances(money, vendor_id, customer_id) == (760, 40)
    await money.charged(vendor_id, customer_id, 200)
    assert (await money.reverse(charge_id)).reversal.amount == 240
    await money.settle_reversals()
    assert await balances(money, vendor_id, customer_id) == (800, 0)


async def test_a_suspended_vendor_gets_its_credit_back(money: Money) -> None:
    """Suspension stops charging and nothing else."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 300)
    await update_vendor(money.vendors, vendor_id, name=None, credit_limit=None, suspended=True, actor="operator")
    await money.reverse(charge_id)
    await money.settle_reversals()
    assert await balances(money, vendor_id, customer_id) == (1_000, 0)


async def test_workers_with_stale_reads_change_nothing(money: Money) -> None:
    """Four workers read the same pending rows before any acts, in every step; every effect happens once."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 600)
    for _ in range(20):
        await money.reverse(charge_id, 10)
    stale = await pending(money)
    taken = await asyncio.gather(*[debit_customers(money.cells, stale) for _ in range(4)])
    assert [(len(debited), failed) for debited, failed in taken] == [(20, [])] * 4
    assert await balances(money, vendor_id, customer_id) == (400, 400)
    credited = await asyncio.gather(*[money.ledger.reversals.credit(stale) for _ in range(4)])
    finished = await asyncio.gather(*[finish(money.cells.of(stale[0].vendor_id), stale, each) for each in credited])
    assert sorted(len(each) for each in finished) == [0, 0, 0, 20]
    assert await debit_customers(money.cells, stale) == ([], [])
    assert await finish(money.cells.of(stale[0].vendor_id), stale, credited[0]) == []
    assert await balances(money, vendor_id, customer_id) == (600, 400)


async def test_a_worker_that_was_not_told_of_a_debit_finishes_nothing(money: Money) -> None:
    """A reversal whose customer was not debited cannot succeed, whatever a mistaken worker says."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    accepted = await money.reverse(await money.charged(vendor_id, customer_id, 300))
    waiting = await pending(money)
    assert await finish(money.cells.of(waiting[0].vendor_id), waiting, [Credit(given=True)]) == []
    assert (await now(money, accepted.reversal.id)).state == ReversalState.ACCEPTED
    assert await money.settle_reversals() == 1


class Ledger:
    """The vendors' side that fails before or after it has done its work, as a killed worker or a lost answer would leave it."""

    def __init__(self, money: Money, *, acts: bool) -> None:
        self._money, self._acts = money, acts

    async def credit(self, debited: Sequence[PendingReversal]) -> list[Credit]:
        """Fail."""
        if self._acts:
            await self._money.ledger.reversals.credit(debited)
        raise Unavailable("away")


@pytest.mark.parametrize(("acts", "vendor", "under_way"), [(False, 700, 300), (True, 1_000, 0)], ids=["before", "after"])
async def test_a_death_between_the_steps_leaves_it_to_the_next_worker(money: Money, acts: bool, vendor: int, under_way: int) -> None:
    """With the customer debited, before or after the vendor's credit, the books are whole; the next worker goes on, nothing is doubled."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    accepted = await money.reverse(await money.charged(vendor_id, customer_id, 300))
    with pytest.raises(Unavailable):
        await settle_reversals(money.cells, vendor_id % len(money.cells), Ledger(money, acts=acts), limit=10)
    assert await balances(money, vendor_id, customer_id) == (vendor, 0)
    books = await whole_books(money)
    assert (books.under_way_total, books.pending_reversals) == (under_way, 1)
    assert await money.settle_reversals() == 1
    assert (await now(money, accepted.reversal.id)).state == ReversalState.SUCCEEDED
    assert await balances(money, vendor_id, customer_id) == (1_000, 0)


async def test_a_mismatch_is_set_aside_and_found_by_the_audit(unchecked: Money) -> None:
    """A reversal id that was credited with another amount ends nothing and holds up nobody; a person must look."""
    vendor_id, customer_id = await unchecked.vendor(1_000), await unchecked.customer()
    charge_id = await unchecked.charged(vendor_id, customer_id, 300)
    wrong, right = await unchecked.reverse(charge_id, 100), await unchecked.reverse(charge_id, 50)
    (forged,) = [each for each in await pending(unchecked) if each.reversal_id == wrong.reversal.id]
    await debit_customers(unchecked.cells, [forged])
    await unchecked.ledger.reversals.credit([replace(forged, amount=99)])
    assert await unchecked.settle_reversals() == 1
    assert (await now(unchecked, right.reversal.id)).state == ReversalState.SUCCEEDED
    assert (await now(unchecked, wrong.reversal.id)).state == ReversalState.ACCEPTED
    assert await pending(unchecked) == []
    books = await unchecked.books()
    assert books.drift == 99
    assert "1 pending reversals are set aside until a person has looked" in books.findings


async def test_a_credit_without_a_debit_is_drift(unchecked: Money) -> None:
    """A vendor that was credited for a reversal that nobody made is found, with its amount."""
    vendor_id = await unchecked.vendor(1_000)
    made_up = ReversalCredit(uuid7_text(), vendor_id, 77)
    await credit_vendors(unchecked.vendors, [made_up])
    books = await unchecked.books()
    assert books.drift == 77
    assert books.findings == [f"reversal {made_up.reversal_id}: the vendor was credited and the customer not debited alike"]


async def test_the_sweeper_settles_what_nobody_was_woken_for(money: Money) -> None:
    """Overdue work is found in the rows, with no broker and no lock; younger work is left to the worker that was just woken."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    await money.reverse(await money.charged(vendor_id, customer_id, 300))
    assert await sweep_reversals(money.cells, vendor_id % len(money.cells), money.ledger.reversals, limit=10) == 0
    async with money.cells.of(vendor_id).reading() as connection:
        await connection.execute("UPDATE pending_reversals SET accepted_at = accepted_at - interval '1 minute'")
    assert await sweep_reversals(money.cells, vendor_id % len(money.cells), money.ledger.reversals, limit=10) == 1


async def test_the_books_stay_whole_while_reversals_run(money: Money) -> None:
    """The audit, running all the while, finds nothing that is not there."""
    vendor_id, customer_id = await money.vendor(10_000), await money.customer()
    charge_ids = [await money.charged(vendor_id, customer_id, 100) for _ in range(10)]
    running = True

    async def look() -> int:
        looks = 0
        while running:
            books = await money.books()
            assert (books.findings, books.drift) == ([], 0)
            looks += 1
        return looks

    watching = asyncio.create_task(look())
    for _ in range(5):
        await asyncio.gather(*[money.reverse(charge_id, 10) for charge_id in charge_ids])
        await asyncio.gather(*[money.settle_reversals() for _ in range(2)])
    running = False
    assert await watching
    assert await balances(money, vendor_id, customer_id) == (9_500, 500)
