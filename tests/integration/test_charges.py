"""Accepting and settling charges on real databases: exactly once, whatever is repeated, lost or done side by side."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from services.customer_charge.domain.charges import Charge, ChargeState, PendingCharge, Verdict
from services.customer_charge.operations.accept_charges import Accepted, accept_charges
from services.customer_charge.operations.read_charges import get_charge
from services.customer_charge.operations.read_customers import get_customer
from services.customer_charge.operations.settle_charges import finish, settle_slot
from services.customer_charge.storage import pending_charges
from services.customer_charge.storage.event_feed import list_charge_events
from services.vendor_credit.operations.read_vendors import get_vendor
from services.vendor_credit.operations.update_vendor import update_vendor
from shared.errors import IdempotencyKeyReused, Unavailable
from tests.databases import Databases
from tests.integration.money import Money, open_money, order


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases, and check the books at the end of every test."""
    async with open_money(databases) as opened:
        yield opened
        books = await opened.books()
        assert (books.findings, books.drift) == ([], 0)
        assert books.confirmed_credit_total == books.vendor_balance_total + books.customer_balance_total + books.under_way_total


async def charge_now(money: Money, charge_id: str) -> Charge:
    """Return the charge as it is now."""
    return await get_charge(money.cells, charge_id, None)


async def test_a_charge_moves_its_amount_from_vendor_to_customer(money: Money) -> None:
    """Vendor down, customer up, by the same amount, and the charge succeeded."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    (accepted,) = await money.accept(order(vendor_id, customer_id, 300))
    assert accepted.charge.state == ChargeState.ACCEPTED
    assert await money.settle() == 1
    assert (await charge_now(money, accepted.charge.id)).state == ChargeState.SUCCEEDED
    assert (await get_vendor(money.vendors, vendor_id)).balance == 700
    assert (await get_customer(money.cells, customer_id, None)).balance == 300


async def test_a_charge_beyond_credit_fails_and_a_lower_one_behind_it_succeeds(money: Money) -> None:
    """A refusal tells what was available and missing, and stops nobody else."""
    vendor_id, customer_id = await money.vendor(100), await money.customer()
    high, low = await money.accept(order(vendor_id, customer_id, 150), order(vendor_id, customer_id, 60))
    await money.settle()
    refused, paid = await charge_now(money, high.charge.id), await charge_now(money, low.charge.id)
    assert (refused.state, refused.failure_reason, refused.available, refused.shortfall) == (ChargeState.FAILED, 1, 100, 50)
    assert paid.state == ChargeState.SUCCEEDED


async def test_credit_approved_but_not_posted_counts(money: Money) -> None:
    """Who was told "approved" is not refused: the debit posts first."""
    vendor_id, customer_id = await money.vendor(), await money.customer()
    await money.approved_request(vendor_id, 500)
    (accepted,) = await money.accept(order(vendor_id, customer_id, 500))
    await money.settle()
    assert (await charge_now(money, accepted.charge.id)).state == ChargeState.SUCCEEDED


async def test_a_suspended_vendor_is_refused_at_debit(money: Money) -> None:
    """Suspension is decided under the lock and answers with a reason."""
    vendor_id, customer_id = await money.vendor(500), await money.customer()
    await update_vendor(money.vendors, vendor_id, name=None, credit_limit=None, suspended=True, actor="operator")
    (accepted,) = await money.accept(order(vendor_id, customer_id, 5))
    await money.settle()
    assert (await charge_now(money, accepted.charge.id)).failure_reason == 2


async def test_a_key_makes_one_charge_whatever_is_submitted_in_parallel(money: Money) -> None:
    """100 submissions of one key, in batches side by side, make one charge."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    batches = [[order(vendor_id, customer_id, 10, "same") for _ in range(10)] for _ in range(10)]
    results = await asyncio.gather(*[accept_charges(money.cells.of(vendor_id), batch, slots=money.slots) for batch in batches])
    accepted = [result for batch in results for result in batch.results if isinstance(result, Accepted)]
    assert len(accepted) == 100
    assert len({result.charge.id for result in accepted}) == 1
    assert sum(not result.replayed for result in accepted) == 1
    await money.settle()
    assert (await get_customer(money.cells, customer_id, None)).balance == 10


async def test_a_key_used_with_another_amount_is_refused_and_its_companions_pass(money: Money) -> None:
    """The payload is compared column by column, and a bad item fails alone."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    await money.accept(order(vendor_id, customer_id, 10, "k"))
    batch = await accept_charges(
        money.cells.of(vendor_id), [order(vendor_id, customer_id, 11, "k"), order(vendor_id, customer_id, 12)], slots=money.slots
    )
    assert isinstance(batch.results[0], IdempotencyKeyReused)
    assert isinstance(batch.results[1], Accepted)
    await money.settle()


async def test_repeating_an_order_after_an_unknown_outcome_is_the_same_charge(money: Money) -> None:
    """The same ids, sent again because the first answer was lost, are no replay of somebody else and no second charge."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    wanted = order(vendor_id, customer_id, 10)
    (first,) = await money.accept(wanted)
    (second,) = await money.accept(wanted)
    assert (second.charge.id, second.replayed) == (first.charge.id, False)
    assert await money.settle() == 1


async def test_workers_on_the_same_slot_with_stale_reads_change_nothing(money: Money) -> None:
    """Two workers read the same pending rows before either acts; every effect happens once."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    await money.accept(*[order(vendor_id, customer_id, 10) for _ in range(20)])
    slot = vendor_id % money.slots
    async with money.cells.of(vendor_id).reading() as connection:
        stale = await pending_charges.read_pending(connection, slot, limit=100)
    verdicts = await asyncio.gather(*[money.ledger.debit(stale) for _ in range(4)])
    moved = await asyncio.gather(*[finish(money.cells, slot, each) for each in verdicts])
    assert sorted(len(each) for each in moved) == [0, 0, 0, 20]
    assert await finish(money.cells, slot, verdicts[0]) == set()
    assert (await get_customer(money.cells, customer_id, None)).balance == 200


async def test_a_refusal_stays_a_refusal_when_credit_comes_later(money: Money) -> None:
    """The first decision is sticky: a worker that asks again after an approval gets the old answer."""
    vendor_id, customer_id = await money.vendor(), await money.customer()
    (accepted,) = await money.accept(order(vendor_id, customer_id, 50))
    pending = [PendingCharge(accepted.charge.id, vendor_id, customer_id, 50)]
    (first,) = await money.ledger.debit(pending)
    await money.approved_request(vendor_id, 1_000)
    (again,) = await money.ledger.debit(pending)
    assert (first.debited, again.debited, again.shortfall) == (False, False, 50)
    await money.settle()
    assert (await charge_now(money, accepted.charge.id)).state == ChargeState.FAILED


async def test_a_decided_charge_id_with_another_amount_is_an_alarm(money: Money) -> None:
    """It is answered as neither debited nor refused, set aside, and moves nothing."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    (accepted,) = await money.accept(order(vendor_id, customer_id, 50))
    await money.settle()
    (verdict,) = await money.ledger.debit([PendingCharge(accepted.charge.id, vendor_id, customer_id, 51)])
    assert (verdict.debited, verdict.state) == (False, None)
    assert (await get_vendor(money.vendors, vendor_id)).balance == 950


async def test_the_sweeper_settles_what_nobody_was_woken_for(money: Money) -> None:
    """Overdue work is found in the rows, with no broker and no lock."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    (accepted,) = await money.accept(order(vendor_id, customer_id, 50))
    async with money.cells.of(vendor_id).reading() as connection:
        await connection.execute("UPDATE pending_charges SET accepted_at = accepted_at - interval '1 minute'")
    assert await money.sweep() == 1
    assert (await charge_now(money, accepted.charge.id)).state == ChargeState.SUCCEEDED


async def test_an_unreachable_vendor_ledger_leaves_charges_pending(money: Money) -> None:
    """Nothing is decided without the ledger; later everything settles."""

    class Away:
        """A vendor ledger out of reach."""

        async def debit(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
            """Fail."""
            raise Unavailable("away")

    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    await money.accept(order(vendor_id, customer_id, 50))
    with pytest.raises(Unavailable):
        await settle_slot(money.cells, Away(), vendor_id % money.slots, limit=10)
    books = await money.books()
    assert books.pending_charges == 1
    assert await money.settle() == 1


class Failing:
    """A vendor ledger that answers so many times and is out of reach then; `asked` are the charges of each question."""

    def __init__(self, money: Money, answers: int) -> None:
        self._ledger = money.ledger
        self._answers = answers
        self.asked: list[list[str]] = []

    async def debit(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
        """Answer, or fail."""
        self.asked.append([charge.charge_id for charge in pending])
        if len(self.asked) > self._answers:
            raise Unavailable("away")
        return await self._ledger.debit(pending)


async def test_a_backlog_is_settled_in_order_each_charge_once(money: Money) -> None:
    """While one batch is finished the next is debited: none of its charges is one of the first, and events come in order."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    accepted = sorted(each.charge.id for each in await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(50)]))
    ledger = Failing(money, answers=100)
    assert await settle_slot(money.cells, ledger, vendor_id % money.slots, limit=20) == 50
    assert [charge_id for each in ledger.asked for charge_id in each] == accepted
    async with money.cells.of(vendor_id).reading() as connection:
        rows = await list_charge_events(connection, vendor_id, after=0, limit=100)
    assert [charge_id for row in rows for charge_id in row.charge_ids] == accepted


async def test_a_batch_under_way_is_finished_when_the_next_cannot_be_debited(money: Money) -> None:
    """What was debited is finished before the failure is told; the rest stays pending."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(50)])
    with pytest.raises(Unavailable):
        await settle_slot(money.cells, Failing(money, answers=2), vendor_id % money.slots, limit=20)
    books = await money.books()
    assert books.pending_charges == 10
    assert await money.settle() == 10


async def test_a_caller_that_leaves_does_not_tear_a_transaction(money: Money) -> None:
    """A cancelled accept commits as a whole or not at all, and closing waits for it."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    wanted = order(vendor_id, customer_id, 10)
    task = asyncio.create_task(accept_charges(money.cells.of(vendor_id), [wanted], slots=money.slots))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (again,) = await money.accept(wanted)
    assert again.replayed is False
    assert await money.settle() == 1
