"""The check of each minute on reversals: it finds what the services disagree about, stops the account concerned, and never cries wolf."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.customer_charge.domain.reversals import Reversal
from services.customer_charge.operations.check_new_reversals import NewReversalsCheck, check_new_reversals
from services.customer_charge.operations.read_books_state import read_books_state
from services.customer_charge.operations.read_customers import get_customer
from services.scheduler.books_check import BooksMetrics
from services.vendor_credit.domain.reversals import ReversalCredit
from services.vendor_credit.operations.credit_vendors import credit_vendors
from services.vendor_credit.operations.read_vendors import get_vendor
from services.vendor_credit.operations.stop_vendors import stop_vendors
from shared.clock import utc_now
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.money import Money, open_money, order
from tests.integration.test_books_check import as_owner

ACTOR = "peer:scheduler"
CREDIT, AMOUNT, PART = 1_000, 50, 20


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


async def check(money: Money) -> NewReversalsCheck:
    """Check new reversals, also those of this very moment."""

    async def stop(findings: Mapping[int, str]) -> None:
        await stop_vendors(money.vendors, findings, actor=ACTOR)

    return await check_new_reversals(
        money.cells, money.ledger.reversals, stop, now=utc_now() + timedelta(seconds=1), actor=ACTOR, grace=timedelta(0)
    )


async def reversed_part(money: Money, vendor_id: int, customer_id: int) -> Reversal:
    """Charge, reverse a part of it, and return the reversal."""
    (accepted,) = await money.accept(order(vendor_id, customer_id, AMOUNT))
    await money.settle()
    made = await money.reverse(accepted.charge.id, PART)
    await money.settle_reversals()
    return made.reversal


async def test_whole_reversals_pass_and_are_read_once(money: Money) -> None:
    """Nothing is stopped, and the next check has nothing left to match; one that its customer cannot pay is no alarm."""
    vendor_id, customer_id = await money.vendor(CREDIT), await money.customer()
    for _ in range(3):
        made = await reversed_part(money, vendor_id, customer_id)
    await money.spend(customer_id, 3 * (AMOUNT - PART))
    await money.reverse(made.charge_id, 1)
    await money.settle_reversals()
    first, second = await check(money), await check(money)
    assert (first.reversals, first.drift, first.findings) == (4, 0, [])
    assert (second.reversals, second.drift, second.findings) == (0, 0, [])


async def test_what_is_under_way_is_checked_once_it_is_final(money: Money) -> None:
    """The check stops in front of it, whatever lies behind."""
    vendor_id, customer_id = await money.vendor(CREDIT), await money.customer()
    made = await reversed_part(money, vendor_id, customer_id)
    await money.reverse(made.charge_id, 1)
    assert (await check(money)).reversals == 1
    await money.settle_reversals()
    assert (await check(money)).reversals == 1


async def test_a_reversal_under_way_shows_in_what_is_pending(databases: Databases, money: Money) -> None:
    """With its age, so that one that nobody finishes is seen; and one that is set aside is told apart."""
    vendor_id, customer_id = await money.vendor(CREDIT), await money.customer()
    (accepted,) = await money.accept(order(vendor_id, customer_id, AMOUNT))
    await money.settle()
    await money.reverse(accepted.charge.id, PART)
    as_owner(databases, "customer_charge", "UPDATE pending_reversals SET accepted_at = accepted_at - interval '1 hour', blocked = true")
    state = await read_books_state(money.cells)
    assert (state.pending_charges, state.pending_reversals, state.blocked_reversals) == (0, 1, 1)
    registry = CollectorRegistry()
    BooksMetrics(registry).show(state)
    assert registry.get_sample_value("charging_books_blocked_reversals") == 1
    assert (registry.get_sample_value("charging_books_oldest_pending_seconds") or 0) >= timedelta(hours=1).total_seconds()


async def test_no_false_alarm_while_reversals_run(money: Money) -> None:
    """Checks beside accepting and settling find nothing, whatever moment they see."""
    vendor_id, customer_id = await money.vendor(CREDIT * 10), await money.customer()
    running, checks = True, 0

    async def checking() -> None:
        nonlocal checks
        while running:
            assert (await check(money)).findings == []
            checks += 1

    beside = asyncio.create_task(checking())
    for _ in range(30):
        await reversed_part(money, vendor_id, customer_id)
    running = False
    await beside
    assert checks > 1
    assert (await check(money)).findings == []


VENDOR_SIDE = [
    ("customer_charge", "UPDATE reversals SET amount = amount + 1 WHERE id = '{reversal}'"),
    ("customer_charge", "DELETE FROM reversals WHERE id = '{reversal}'"),
    ("customer_charge", "DELETE FROM customer_entries WHERE reference = '{reversal}'"),
    ("vendor_credit", "UPDATE reversal_credits SET amount = amount + 1 WHERE reversal_id = '{reversal}'"),
    ("vendor_credit", "DELETE FROM reversal_credits WHERE reversal_id = '{reversal}'"),
]


@pytest.mark.parametrize(("schema", "tampering"), VENDOR_SIDE)
async def test_what_the_services_disagree_about_stops_the_vendor_and_is_drift(
    databases: Databases, money: Money, schema: str, tampering: str
) -> None:
    """The vendor concerned is stopped and no other; the drift stays in sight at the next check."""
    vendor_id, other, customer_id = await money.vendor(CREDIT), await money.vendor(CREDIT), await money.customer()
    await reversed_part(money, other, customer_id)
    made = await reversed_part(money, vendor_id, customer_id)
    as_owner(databases, schema, tampering.format(reversal=made.id))
    found = await check(money)
    assert list(found.vendors) == [vendor_id]
    assert found.drift >= PART
    assert (await get_vendor(money.vendors, vendor_id)).stopped
    assert not (await get_vendor(money.vendors, other)).stopped
    again = await check(money)
    assert (again.vendors, again.drift, again.findings[:1]) == ({}, found.drift, found.findings[:1])
    assert (await read_books_state(money.cells)).drift == found.drift


OWN_SIDE = [
    "UPDATE customer_entries SET amount = amount + 1 WHERE reference = '{reversal}'",
    "UPDATE customer_entries SET vendor_id = vendor_id + 1 WHERE reference = '{reversal}'",
    "UPDATE reversals SET customer_id = customer_id + 64 WHERE id = '{reversal}'",
    "UPDATE charges SET reversed_amount = reversed_amount - 1 WHERE id = '{charge}'",
    "INSERT INTO pending_reversals SELECT id, charge_id, vendor_id, customer_id, amount, created_at, true FROM reversals "
    "WHERE id = '{reversal}'",
]


@pytest.mark.parametrize("tampering", OWN_SIDE)
async def test_what_this_side_contradicts_itself_about_stops_the_customer(databases: Databases, money: Money, tampering: str) -> None:
    """The customer that the reversal names is stopped, and the vendor is not."""
    vendor_id, customer_id = await money.vendor(CREDIT), await money.customer()
    made = await reversed_part(money, vendor_id, customer_id)
    as_owner(databases, "customer_charge", tampering.format(reversal=made.id, charge=made.charge_id))
    found = await check(money)
    assert found.vendors == {}
    assert len(found.customers) == 1
    assert (await get_vendor(money.vendors, vendor_id)).stopped is False
    if "customer_id = customer_id + 64" not in tampering:  # else it names one that is not there
        assert (await get_customer(money.cells, customer_id, None)).stopped
    assert (await money.books()).findings


async def test_a_credit_that_nothing_here_accounts_for_is_found(money: Money) -> None:
    """It has no reversal; it is mended when the reversal is there."""
    vendor_id = await money.vendor(CREDIT)
    await credit_vendors(money.vendors, [ReversalCredit(uuid7_text(), vendor_id, 77)])
    found = await check(money)
    assert (list(found.vendors), found.drift) == ([vendor_id], 77)


async def test_whoever_dies_before_the_vendor_is_stopped_finds_it_anew(databases: Databases, money: Money) -> None:
    """The check moves on only when what it found is stopped."""
    vendor_id, customer_id = await money.vendor(CREDIT), await money.customer()
    made = await reversed_part(money, vendor_id, customer_id)
    as_owner(databases, "vendor_credit", f"DELETE FROM reversal_credits WHERE reversal_id = '{made.id}'")

    async def die(_: Mapping[int, str]) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await check_new_reversals(
            money.cells, money.ledger.reversals, die, now=utc_now() + timedelta(seconds=1), actor=ACTOR, grace=timedelta(0)
        )
    assert list((await check(money)).vendors) == [vendor_id]
    assert (await get_vendor(money.vendors, vendor_id)).stopped
