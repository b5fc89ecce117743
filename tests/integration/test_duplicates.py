"""The guard against duplicates: same vendor, customer and amount within the window, decided once and under the vendor's lock."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from services.customer_charge.domain.charges import ChargeOrder, ChargeState, FailureReason
from services.customer_charge.operations.read_charges import get_charge
from services.vendor_credit.domain.debits import Debit, Decision, Outcome, Refusal
from services.vendor_credit.operations.debit_vendors import debit_vendors
from services.vendor_credit.operations.preview_debits import preview_debits
from services.vendor_credit.operations.read_vendors import get_vendor
from services.vendor_credit.operations.update_vendor import update_vendor
from shared.errors import IdempotencyKeyReused
from tests.databases import Databases
from tests.integration.money import Money, open_money, order

WINDOW = 60
START_MS = 1_750_000_000_000
CREDIT = 10_000
CUSTOMER = 71


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


async def set_window(money: Money, vendor_id: int, seconds: int) -> None:
    """Set a vendor's duplicate window."""
    await update_vendor(
        money.vendors, vendor_id, name=None, credit_limit=None, suspended=None, duplicate_window_seconds=seconds, actor="operator"
    )


async def guarded(money: Money, credit: int = CREDIT) -> int:
    """Make a vendor with a window; return its id."""
    vendor_id = await money.vendor(credit)
    await set_window(money, vendor_id, WINDOW)
    return vendor_id


def debit(vendor_id: int, after_ms: int = 0, *, amount: int = 100, customer_id: int = CUSTOMER, allowed: bool = False) -> Debit:
    """Return a debit of a charge that was made `after_ms` after START_MS."""
    digits, rest = f"{START_MS + after_ms:012x}", str(uuid4())
    charge_id = f"{digits[:8]}-{digits[8:]}-7{rest[15:]}"
    return Debit(charge_id, vendor_id, amount, customer_id=customer_id, allow_duplicate=allowed)


def said(decisions: list[Decision]) -> list[Refusal]:
    """Return why each was refused, NONE for those that were debited."""
    assert all((each.outcome == Outcome.DEBITED) == (each.reason == Refusal.NONE) for each in decisions)
    return [Refusal(each.reason) for each in decisions]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
async def test_the_window_ends_to_the_millisecond(money: Money, together: bool, sign: int) -> None:
    """Less than the window apart, whichever was made first, is a duplicate; the whole window apart is none: in one batch and in two."""
    inside, outside = await guarded(money), await guarded(money)
    edge = sign * WINDOW * 1_000
    wanted = [debit(inside), debit(outside), debit(inside, edge - sign), debit(outside, edge)]
    batches = [wanted] if together else [wanted[:2], wanted[2:]]
    decisions = [decision for batch in batches for decision in await debit_vendors(money.vendors, batch)]
    assert said(decisions) == [Refusal.NONE, Refusal.NONE, Refusal.DUPLICATE_CHARGE, Refusal.NONE]
    assert decisions[2].available == CREDIT - 100


async def test_only_the_same_vendor_customer_and_amount_is_a_duplicate(money: Money) -> None:
    """Each of the three makes a difference; a customer that is not known is nobody's duplicate."""
    ours, theirs = await guarded(money), await guarded(money)
    await debit_vendors(money.vendors, [debit(ours)])
    others = [debit(theirs), debit(ours, customer_id=CUSTOMER + 1), debit(ours, amount=101), debit(ours, customer_id=0)]
    assert said(await debit_vendors(money.vendors, [*others, debit(ours, customer_id=0)])) == [Refusal.NONE] * 5
    assert said(await debit_vendors(money.vendors, [debit(ours)])) == [Refusal.DUPLICATE_CHARGE]


async def test_without_a_window_nothing_is_refused_or_remembered(money: Money) -> None:
    """Off is the default; a window that is opened later looks at no charge from before, and one that is closed refuses nothing."""
    vendor_id = await money.vendor(CREDIT)
    assert said(await debit_vendors(money.vendors, [debit(vendor_id), debit(vendor_id)])) == [Refusal.NONE] * 2
    await set_window(money, vendor_id, WINDOW)
    assert said(await debit_vendors(money.vendors, [debit(vendor_id), debit(vendor_id)])) == [Refusal.NONE, Refusal.DUPLICATE_CHARGE]
    await set_window(money, vendor_id, 0)
    assert said(await debit_vendors(money.vendors, [debit(vendor_id)])) == [Refusal.NONE]


async def test_an_allowed_duplicate_is_debited_and_counts(money: Money) -> None:
    """It may repeat others, and others may not repeat it."""
    vendor_id = await guarded(money)
    far = WINDOW * 1_000
    wanted = [debit(vendor_id), debit(vendor_id, far - 1, allowed=True), debit(vendor_id, far), debit(vendor_id, far, allowed=True)]
    assert said(await debit_vendors(money.vendors, wanted)) == [Refusal.NONE, Refusal.NONE, Refusal.DUPLICATE_CHARGE, Refusal.NONE]


async def test_a_refused_charge_is_no_reason_to_refuse_another(money: Money) -> None:
    """Nothing was charged: not for lack of credit, not for suspension, and not as a duplicate."""
    vendor_id = await guarded(money, 0)
    short, suspended = debit(vendor_id), debit(vendor_id)
    assert said(await debit_vendors(money.vendors, [short])) == [Refusal.INSUFFICIENT_CREDIT]
    await update_vendor(money.vendors, vendor_id, name=None, credit_limit=CREDIT, suspended=True, actor="operator")
    assert said(await debit_vendors(money.vendors, [suspended])) == [Refusal.VENDOR_SUSPENDED]
    await update_vendor(money.vendors, vendor_id, name=None, credit_limit=None, suspended=False, actor="operator")
    # The second is refused for the first; the third is near the second alone.
    near, far = WINDOW * 1_000 - 1, WINDOW * 1_000
    wanted = [debit(vendor_id), debit(vendor_id, near), debit(vendor_id, far)]
    assert said(await debit_vendors(money.vendors, wanted)) == [Refusal.NONE, Refusal.DUPLICATE_CHARGE, Refusal.NONE]


async def test_suspension_is_told_first_and_credit_last(money: Money) -> None:
    """A duplicate that nobody could pay for is a duplicate; of a suspended vendor it is refused for that."""
    vendor_id = await guarded(money, 100)
    assert said(await debit_vendors(money.vendors, [debit(vendor_id), debit(vendor_id)])) == [Refusal.NONE, Refusal.DUPLICATE_CHARGE]
    await update_vendor(money.vendors, vendor_id, name=None, credit_limit=None, suspended=True, actor="operator")
    assert said(await debit_vendors(money.vendors, [debit(vendor_id)])) == [Refusal.VENDOR_SUSPENDED]


async def test_decisions_about_duplicates_are_sticky(money: Money) -> None:
    """The first is not its own duplicate when it is asked again; the second stays refused when the guard is off."""
    vendor_id = await guarded(money)
    wanted = [debit(vendor_id), debit(vendor_id)]
    first = said(await debit_vendors(money.vendors, wanted))
    assert said(await debit_vendors(money.vendors, wanted)) == first
    await set_window(money, vendor_id, 0)
    assert said(await debit_vendors(money.vendors, wanted)) == first == [Refusal.NONE, Refusal.DUPLICATE_CHARGE]


async def test_one_of_many_parallel_repetitions_is_debited(money: Money) -> None:
    """Whoever has the vendor's lock first; all others find what it wrote."""
    vendor_id = await guarded(money)
    answers = await asyncio.gather(*[debit_vendors(money.vendors, [debit(vendor_id, number)]) for number in range(24)])
    reasons = [reason for answer in answers for reason in said(answer)]
    assert (reasons.count(Refusal.NONE), reasons.count(Refusal.DUPLICATE_CHARGE)) == (1, len(reasons) - 1)
    assert (await get_vendor(money.vendors, vendor_id)).balance == CREDIT - 100


async def test_a_preview_says_what_the_guard_will_say(money: Money) -> None:
    """Of what was debited before and of what the preview itself asks for; it is remembered nowhere."""
    vendor_id = await guarded(money)
    await debit_vendors(money.vendors, [debit(vendor_id)])
    wanted = [debit(vendor_id), debit(vendor_id, amount=7), debit(vendor_id, amount=7), debit(vendor_id, amount=7, allowed=True)]
    previewed = await preview_debits(money.vendors, wanted)
    assert said(previewed) == [Refusal.DUPLICATE_CHARGE, Refusal.NONE, Refusal.DUPLICATE_CHARGE, Refusal.NONE]
    assert await preview_debits(money.vendors, wanted) == previewed
    assert await debit_vendors(money.vendors, wanted) == previewed


def allowing(plain: ChargeOrder) -> ChargeOrder:
    """Return the order, allowed to be a duplicate."""
    return plain._replace(allow_duplicate=True)


async def test_a_charge_that_repeats_another_fails(money: Money) -> None:
    """From order to final state: accepted all three, the plain repetition fails, the allowed one moves money; the books agree."""
    vendor_id, customer_id = await guarded(money), await money.customer()
    orders = [order(vendor_id, customer_id, 100), order(vendor_id, customer_id, 100), allowing(order(vendor_id, customer_id, 100))]
    accepted = await money.accept(*orders)
    assert [each.charge.allow_duplicate for each in accepted] == [False, False, True]
    await money.settle()
    made = [await get_charge(money.cells, each.charge_id, None) for each in orders]
    assert [charge.state for charge in made] == [ChargeState.SUCCEEDED, ChargeState.FAILED, ChargeState.SUCCEEDED]
    assert made[1].failure_reason == FailureReason.DUPLICATE_CHARGE
    assert [charge.allow_duplicate for charge in made] == [False, False, True]
    assert (await money.books()).findings == []


@pytest.mark.parametrize("allowed_first", [True, False])
async def test_the_permission_belongs_to_the_payload(money: Money, allowed_first: bool) -> None:
    """The same key with the other value is refused, and with the same value a replay."""
    vendor_id, customer_id = await guarded(money), await money.customer()
    first = order(vendor_id, customer_id, 10, "k")._replace(allow_duplicate=allowed_first)
    await money.accept(first)
    other = order(vendor_id, customer_id, 10, "k")._replace(allow_duplicate=not allowed_first)
    (refused,) = await money.accept_batch([other])
    assert isinstance(refused, IdempotencyKeyReused)
    (again,) = await money.accept(order(vendor_id, customer_id, 10, "k")._replace(allow_duplicate=allowed_first))
    assert (again.replayed, again.charge.id) == (True, first.charge_id)
