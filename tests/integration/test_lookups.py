"""Finding vendors, customers and entries, and a balance over time, on real databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.customer_charge.operations import read_customers
from services.customer_charge.operations.create_customer import create_customer
from services.vendor_credit.domain.ledger import spread
from services.vendor_credit.operations import read_vendors
from services.vendor_credit.operations.create_vendor import create_vendor
from shared.errors import NotFound
from tests.databases import Databases
from tests.integration.money import Money, open_money, order


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


async def vendors_found(money: Money, search: str) -> list[str]:
    """Return the names of the vendors that a search finds."""
    return [vendor.name for vendor in await read_vendors.list_vendors(money.vendors, after_id=0, search=search, limit=50)]


async def test_vendors_are_found_by_part_of_their_name_or_by_id(money: Money) -> None:
    """A to Z in either case; what means something to a pattern language means itself."""
    ids = {}
    for name in ("Acme Top-ups", "ÄCME", "100% mobile", "under_score"):
        ids[name] = (await create_vendor(money.vendors, name=name, credit_limit=0, principal="test", key=name))[0].id
    assert await vendors_found(money, "TOP") == ["Acme Top-ups"]
    assert await vendors_found(money, "Äcm") == ["ÄCME"]
    assert await vendors_found(money, "%") == ["100% mobile"]
    assert await vendors_found(money, "_") == ["under_score"]
    assert await vendors_found(money, str(ids["ÄCME"])) == ["ÄCME"]
    assert len(await vendors_found(money, "")) == 4
    assert await vendors_found(money, "'; --") == []


async def test_customers_are_found_by_the_beginning_of_their_number_and_only_where_visible(money: Money) -> None:
    """A partner's search finds none but its own customers."""
    for number, vendors in (("+989120000001", [1]), ("+989129999999", [2]), ("+98913", [1]), ("+44700900123", [1])):
        await create_customer(money.cells, number, vendors, vendors)

    async def found(search: str, visible: list[int] | None = None) -> list[str]:
        customers = await read_customers.list_customers(
            money.cells, after_id=0, visible_vendors=visible, phone_number="", search=search, limit=50
        )
        return sorted(customer.phone_number for customer in customers)

    assert await found("+98912") == ["+989120000001", "+989129999999"]
    assert await found("+98912", [1]) == ["+989120000001"]
    assert await found("+989129999999") == ["+989129999999"]
    assert await found("+") == ["+44700900123", "+989120000001", "+989129999999", "+98913"]
    assert await found("+1") == []


async def test_the_entries_of_a_charge_are_found_by_its_id(money: Money) -> None:
    """On both sides, for whoever may see them; nothing of another's."""
    vendor_id, other_id, customer_id = await money.vendor(1_000), await money.vendor(1_000), await money.customer()
    first, _ = await money.accept(order(vendor_id, customer_id, 300), order(vendor_id, customer_id, 5))
    await money.settle()
    charge_id = first.charge.id
    assert [entry.amount for entry in await read_vendors.find_entries(money.vendors, vendor_id, charge_id)] == [-300]
    assert await read_vendors.find_entries(money.vendors, other_id, charge_id) == []
    with pytest.raises(NotFound):
        await read_vendors.find_entries(money.vendors, other_id + 1, charge_id)

    assert [entry.amount for entry in await read_customers.find_entries(money.cells, customer_id, charge_id, None)] == [300]
    assert [entry.amount for entry in await read_customers.find_entries(money.cells, customer_id, charge_id, [vendor_id])] == [300]
    assert await read_customers.find_entries(money.cells, customer_id, str(uuid4()), None) == []
    with pytest.raises(NotFound):
        await read_customers.find_entries(money.cells, customer_id, charge_id, [other_id])


async def test_a_balance_over_time_begins_with_what_was_held_and_ends_before_the_end(money: Money) -> None:
    """Points are entries, so each is exact; a stretch between two entries has what was held during it."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    assert await read_vendors.list_balances(money.vendors, await money.vendor(), start=None, stop=None, points=9) == []
    for _ in range(20):
        await money.accept(order(vendor_id, customer_id, 10))
        await money.settle()
    entries = list(reversed(await read_vendors.list_entries(money.vendors, vendor_id, before_seq=99, start=None, stop=None, limit=99)))
    assert len(entries) == 21

    async def points(start: datetime | None, stop: datetime | None, count: int = 100) -> list[int]:
        found = await read_vendors.list_balances(money.vendors, vendor_id, start=start, stop=stop, points=count)
        assert found == [entry for entry in entries if entry.seq in {each.seq for each in found}]
        return [entry.seq for entry in found]

    everything = [entry.seq for entry in entries]
    assert await points(None, None) == everything
    assert await points(None, None, 5) == [1, 6, 11, 16, 21]
    for place, entry in enumerate(entries):
        at_or_after = [each.seq for each in entries if each.created_at >= entry.created_at]
        before = [each.seq for each in entries if each.created_at < entry.created_at]
        assert await points(entry.created_at, None) == [*before[-1:], *at_or_after], place
        assert await points(None, entry.created_at) == before, place
    late = datetime.now(UTC) + timedelta(days=1)
    assert await points(late, None) == [21]
    assert await points(None, datetime(2000, 1, 1, tzinfo=UTC)) == []
    with pytest.raises(NotFound):
        await read_vendors.list_balances(money.vendors, vendor_id + 99, start=None, stop=None, points=9)


@pytest.mark.parametrize(
    ("first", "last", "count", "numbers"),
    [(1, 0, 5, []), (3, 3, 5, [3]), (1, 3, 5, [1, 2, 3]), (1, 100, 2, [1, 100]), (1, 10, 4, [1, 4, 7, 10])],
)
def test_numbers_are_spread_evenly_and_hold_both_ends(first: int, last: int, count: int, numbers: list[int]) -> None:
    """However few or many there are."""
    assert spread(first, last, count) == numbers
