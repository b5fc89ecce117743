"""A preview tells what a debit would be answered, and leaves everything as it is."""

from collections.abc import AsyncIterator

import pytest

from services.vendor_credit.domain.debits import Debit, Outcome
from services.vendor_credit.operations.debit_vendors import debit_vendors
from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.operations.preview_debits import preview_debits
from services.vendor_credit.operations.read_vendors import get_vendor, list_entries
from services.vendor_credit.operations.update_vendor import update_vendor
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.money import Money, open_money


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


def debit(vendor_id: int, amount: int) -> Debit:
    """Return a debit of a new charge."""
    return Debit(uuid7_text(), vendor_id, amount)


async def test_a_preview_says_what_the_debit_says(money: Money) -> None:
    """Funded, lent, promised, suspended and missing vendors, in one batch and in order."""
    funded, lent, promised = await money.vendor(100), await money.vendor(credit_limit=50), await money.vendor(10)
    suspended, missing = await money.vendor(100), 999_999
    await money.approved_request(promised, 40)
    await update_vendor(money.vendors, suspended, name=None, credit_limit=None, suspended=True, actor="operator")
    wanted = [
        *[debit(funded, amount) for amount in (60, 60, 40, 1)],
        *[debit(lent, amount) for amount in (51, 50, 1)],
        *[debit(promised, amount) for amount in (50, 1)],
        debit(suspended, 1),
        debit(missing, 1),
    ]
    previewed = await preview_debits(money.vendors, wanted)
    decided = await debit_vendors(money.vendors, wanted)
    assert previewed == decided
    assert {decision.outcome for decision in decided} == {Outcome.DEBITED, Outcome.REFUSED}


async def test_a_preview_changes_nothing(money: Money) -> None:
    """No entry, no decision, no posted credit: the same charge id can still be decided."""
    vendor_id = await money.vendor(100)
    await money.approved_request(vendor_id, 40)
    wanted = debit(vendor_id, 140)
    before = await get_vendor(money.vendors, vendor_id)
    for _ in range(2):
        assert (await preview_debits(money.vendors, [wanted]))[0].outcome == Outcome.DEBITED
    assert await get_vendor(money.vendors, vendor_id) == before
    entries = await list_entries(money.vendors, vendor_id, before_seq=2**62, start=None, stop=None, limit=10)
    assert len(entries) == 1
    assert await post_credit(money.vendors, [vendor_id]) == 1
