"""Crediting vendors back on a real database: once per reversal id, whatever is repeated or done side by side."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from charging.vendor_credit.v1 import reversal_credit_pb2 as pb

from services.vendor_credit.domain.ledger import MAX_BALANCE
from services.vendor_credit.domain.reversals import CreditOutcome, CreditResult, ReversalCredit
from services.vendor_credit.handlers.reversal_credits import ReversalCreditServicer
from services.vendor_credit.operations.audit_ledgers import verify_ledgers
from services.vendor_credit.operations.credit_vendors import credit_vendors
from services.vendor_credit.operations.read_reversal_credits import get_credits, list_credits
from services.vendor_credit.operations.read_vendors import get_vendor, list_entries
from services.vendor_credit.operations.update_vendor import update_vendor
from services.vendor_credit.storage import reversal_credits
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.apart import vendor_in
from tests.integration.money import Money, open_money

FIRST = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give the databases, and check every vendor's ledger at the end of every test."""
    async with open_money(databases) as opened:
        yield opened
        report = await verify_ledgers(opened.vendors)
        assert report.findings == []
        assert report.balance_total == report.totals.confirmed_credit_total - report.totals.debited_total + report.totals.reversed_total


async def balance(money: Money, vendor_id: int) -> int:
    """Return a vendor's balance."""
    return (await get_vendor(money.vendors, vendor_id)).balance


async def test_a_credit_raises_the_balance_by_an_entry_that_names_the_reversal(money: Money) -> None:
    """The entry is chained like any other and refers to the reversal."""
    vendor_id = await money.vendor(100)
    due = ReversalCredit(uuid7_text(), vendor_id, 30)
    assert await credit_vendors(money.vendors, [due]) == [CreditResult(CreditOutcome.CREDITED, 130)]
    assert await balance(money, vendor_id) == 130
    newest, _ = await list_entries(money.vendors, vendor_id, before_seq=100, start=None, stop=None, limit=10)
    assert (newest.kind, newest.amount, newest.reference) == (3, 30, due.reversal_id)


async def test_each_result_names_the_reversal_it_is_of(money: Money) -> None:
    """Whatever became of it: credited, credited before, another amount, or not possible."""
    vendor_id = await money.vendor()
    due = [pb.ReversalCredit(reversal_id=uuid7_text(), vendor_id=vendor_id, amount=amount) for amount in (1, 2)]
    mismatch = pb.ReversalCredit(reversal_id=due[0].reversal_id, vendor_id=vendor_id, amount=3)
    missing = pb.ReversalCredit(reversal_id=uuid7_text(), vendor_id=987_654_321, amount=1)
    asked = [*due, mismatch, due[1], missing]
    context: Any = None  # looked at by nobody here
    answer = await ReversalCreditServicer(money.vendors).CreditVendors(pb.CreditVendorsRequest(credits=asked), context)
    assert [result.reversal_id for result in answer.results] == [each.reversal_id for each in asked]
    assert [result.outcome for result in answer.results] == [1, 1, 2, 1, 3]


async def test_asking_again_is_answered_the_same_and_credits_nothing(money: Money) -> None:
    """Within a batch, after it, and side by side, a reversal id is credited once; the balance is that of the first time."""
    vendor_id = await money.vendor()
    due = ReversalCredit(uuid7_text(), vendor_id, 30)
    given = CreditResult(CreditOutcome.CREDITED, 30)
    assert await credit_vendors(money.vendors, [due, due]) == [given] * 2
    await credit_vendors(money.vendors, [ReversalCredit(uuid7_text(), vendor_id, 5)])
    answers = await asyncio.gather(*[credit_vendors(money.vendors, [due]) for _ in range(8)])
    assert answers == [[given]] * 8
    assert await balance(money, vendor_id) == 35


async def test_a_known_reversal_with_another_vendor_or_amount_is_an_alarm(money: Money) -> None:
    """It is answered MISMATCH, moves nothing, and its companions are credited. In another cell the books tell of it (see below)."""
    vendor_id = await money.vendor()
    other_id = await vendor_in(money, vendor_id % len(money.vendors), credit=0)
    due = ReversalCredit(uuid7_text(), vendor_id, 30)
    await credit_vendors(money.vendors, [due])
    wrong = [ReversalCredit(due.reversal_id, vendor_id, 31), ReversalCredit(due.reversal_id, other_id, 30)]
    assert await credit_vendors(money.vendors, [*wrong, ReversalCredit(uuid7_text(), other_id, 5)]) == [
        CreditResult(CreditOutcome.MISMATCH),
        CreditResult(CreditOutcome.MISMATCH),
        CreditResult(CreditOutcome.CREDITED, 5),
    ]
    assert (await balance(money, vendor_id), await balance(money, other_id)) == (30, 5)


async def test_a_suspended_vendor_is_credited(money: Money) -> None:
    """Suspension stops charging, not getting back what is the vendor's own."""
    vendor_id = await money.vendor()
    await update_vendor(money.vendors, vendor_id, name=None, credit_limit=None, suspended=True, actor="operator")
    await credit_vendors(money.vendors, [ReversalCredit(uuid7_text(), vendor_id, 7)])
    assert await balance(money, vendor_id) == 7


async def test_what_no_entry_can_be_made_for_holds_up_nobody(money: Money) -> None:
    """A vendor that is not there and a balance beyond the cap are answered as not possible, and are not remembered."""
    vendor_id = await money.vendor()
    missing, beyond = ReversalCredit(uuid7_text(), 987_654_321, 1), ReversalCredit(uuid7_text(), vendor_id, MAX_BALANCE)
    results = await credit_vendors(money.vendors, [missing, ReversalCredit(uuid7_text(), vendor_id, 1), beyond])
    assert [result.outcome for result in results] == [CreditOutcome.NOT_POSSIBLE, CreditOutcome.CREDITED, CreditOutcome.NOT_POSSIBLE]
    assert await balance(money, vendor_id) == 1
    assert await get_credits(money.vendors, [missing.reversal_id, beyond.reversal_id]) == []


async def test_credits_are_listed_in_order_and_found_by_id(money: Money) -> None:
    """The audit reads them page by page."""
    vendor_id = await money.vendor()
    due = [ReversalCredit(uuid7_text(), vendor_id, amount) for amount in (1, 2, 3)]
    await credit_vendors(money.vendors, due[::-1])
    first = await list_credits(money.vendors, after=FIRST, limit=2)
    assert first == due[:2]
    assert await list_credits(money.vendors, after=first[-1].reversal_id, limit=2) == due[2:]
    assert await get_credits(money.vendors, [due[2].reversal_id, uuid7_text(), due[0].reversal_id]) == [due[0], due[2]]


async def test_the_check_finds_a_credit_without_entry(money: Money) -> None:
    """A credit that nothing was posted for is named."""
    vendor_id = await money.vendor()
    forged = ReversalCredit(uuid7_text(), vendor_id, 9)
    async with money.vendors.of(vendor_id).reading() as connection, connection.transaction(force_rollback=True):
        await reversal_credits.insert_credits(connection, [forged], (await get_vendor(money.vendors, vendor_id)).created_at)
        assert await reversal_credits.misposted_credits(connection) == [(forged.reversal_id, forged.vendor_id)]
