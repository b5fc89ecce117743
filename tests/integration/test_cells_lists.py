"""Lists over four cells: pages that join up to the whole, each item once and in order, and partners that see only their own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.customer_charge.handlers.charges import LAST_CHARGE_ID
from services.customer_charge.operations import read_charges, read_customers
from services.customer_charge.storage import customers
from shared.clock import utc_now
from shared.database import Connection
from shared.errors import NotFound
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.integration.apart import charged, customer_in, vendor_in
from tests.integration.money import Money, open_money

CELLS = 4


@pytest.fixture
async def money(four_cells: Databases) -> AsyncIterator[Money]:
    """Give both services' databases, with four cells each."""
    async with open_money(four_cells) as money:
        yield money


async def link(money: Money, vendor_id: int, customer_id: int) -> None:
    """Let the vendor see the customer."""

    async def work(connection: Connection) -> None:
        await customers.link_vendors(connection, [(customer_id, vendor_id)], utc_now())

    await money.cells.of(vendor_id).transact(work)


async def whole(page: Callable[[Any], Awaitable[list[Any]]], start: Any, size: int) -> list[Any]:
    """Return all items, page after page."""
    found: list[Any] = []
    while True:
        items = await page(found[-1].id if found else start)
        found += items
        assert len(items) <= size
        if len(items) < size:
            return found


@pytest.mark.parametrize("size", [1, 3, 50])
async def test_charges_of_all_cells_are_listed_newest_first_over_pages(money: Money, size: int) -> None:
    """By an operator all of them, by a partner with vendors in two cells those, by one vendor its own, with every filter."""
    vendors = [await vendor_in(money, cell) for cell in range(CELLS)]
    customer_ids = [await customer_in(money, cell) for cell in (1, 2)]
    made = [await charged(money, vendor_id, customer_id) for customer_id in customer_ids for vendor_id in vendors]

    async def listed(vendor_ids: list[int] | None, customer_id: int = 0) -> list[str]:
        async def page(before: str) -> list[Any]:
            return await read_charges.list_charges(
                money.cells,
                before_id=before,
                vendor_ids=vendor_ids,
                customer_id=customer_id,
                state=0,
                start=None,
                stop=None,
                external_id="",
                limit=size,
            )

        return [charge.id for charge in await whole(page, LAST_CHARGE_ID, size)]

    ids = sorted((charge.charge_id for charge in made), reverse=True)
    assert await listed(None) == ids
    for some in (vendors[:1], vendors[1:3], []):
        expected = {charge.charge_id for charge in made if charge.vendor_id in some}
        assert await listed(some) == [charge_id for charge_id in ids if charge_id in expected]
    of_customer = {charge.charge_id for charge in made if charge.customer_id == customer_ids[1]}
    assert await listed(None, customer_ids[1]) == [charge_id for charge_id in ids if charge_id in of_customer]


async def test_a_charge_is_found_in_whichever_cell_it_is(money: Money) -> None:
    """By who may see it; for everybody else it is as missing as one that never was."""
    vendor_id, other_id = await vendor_in(money, 3), await vendor_in(money, 1)
    charge = await charged(money, vendor_id, await customer_in(money, 0))
    for visible in (None, [vendor_id], [other_id, vendor_id]):
        assert (await read_charges.get_charge(money.cells, charge.charge_id, visible)).id == charge.charge_id
    for charge_id, hidden in ((charge.charge_id, [other_id]), (charge.charge_id, []), (uuid7_text(), None)):
        with pytest.raises(NotFound):
            await read_charges.get_charge(money.cells, charge_id, hidden)


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_customers_are_listed_in_order_of_id_over_pages(money: Money, size: int) -> None:
    """An operator sees all; a partner those that one of its vendors, in whichever cell, dealt with, each once."""
    customer_ids = sorted([await customer_in(money, cell) for cell in (0, 0, 1, 2, 3, 3)])
    vendors = [await vendor_in(money, cell) for cell in (1, 2, 3)]
    for customer_id in customer_ids[1:]:
        await link(money, vendors[0], customer_id)
    for customer_id in customer_ids[:4]:
        await link(money, vendors[1], customer_id)

    async def listed(visible: list[int] | None, search: str = "") -> list[int]:
        async def page(after: int) -> list[Any]:
            return await read_customers.list_customers(
                money.cells, after_id=after, visible_vendors=visible, phone_number="", search=search, limit=size
            )

        return [customer.id for customer in await whole(page, 0, size)]

    assert await listed(None) == customer_ids
    assert await listed(vendors[:1]) == customer_ids[1:]
    assert await listed(vendors[1:2]) == customer_ids[:4]
    assert await listed(vendors[:2]) == customer_ids
    assert await listed(vendors[2:]) == await listed([]) == []
    assert await listed(vendors[:1], "+98912") == customer_ids[1:]
    assert await listed(vendors[:1], "+99") == []


async def test_a_partner_searches_its_own_customers_by_number_however_many_others_it_has(
    money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The links do not know numbers: they are read on until the page is full."""
    monkeypatch.setattr("services.customer_charge.operations.visible_customers.LINKS_PAGE", 2)
    vendor_id = await vendor_in(money, 2)
    wanted, others = [], []
    for cell in (0, 1, 2, 3):
        others.append(await customer_in(money, cell, "+98912"))
        wanted.append(await customer_in(money, cell, "+98935"))
    for customer_id in (*wanted, *others):
        await link(money, vendor_id, customer_id)

    async def found(search: str, phone_number: str = "", visible: int = vendor_id) -> list[int]:
        listed = await read_customers.list_customers(
            money.cells, after_id=0, visible_vendors=[visible], phone_number=phone_number, search=search, limit=3
        )
        return [customer.id for customer in listed]

    assert await found("+98935") == sorted(wanted)[:3]
    number = (await read_customers.get_customer(money.cells, others[3], None)).phone_number
    assert await found("", number) == [others[3]]
    assert await found("+98935", number) == []
    assert await found("", number, vendor_id + 1) == []


async def test_a_partner_sees_a_customer_of_another_cell_since_its_own_dealings_began(money: Money) -> None:
    """And its entries that its vendors caused; a customer it never dealt with is missing."""
    first, second, other = [await vendor_in(money, cell) for cell in (1, 3, 2)]
    customer_id = await customer_in(money, 0)
    made = [await charged(money, vendor_id, customer_id, amount) for vendor_id, amount in ((first, 1), (second, 2), (other, 3))]
    whole_customer = await read_customers.get_customer(money.cells, customer_id, None)
    assert whole_customer.balance == sum(charge.amount for charge in made)
    seen = {
        name: await read_customers.get_customer(money.cells, customer_id, visible)
        for name, visible in (("first", [first]), ("second", [second]), ("both", [second, first]))
    }
    assert whole_customer.created_at < seen["first"].created_at < seen["second"].created_at
    assert seen["both"] == seen["first"]

    async def amounts(visible: list[int] | None, before: str | None = None) -> list[int]:
        entries = await read_customers.list_entries(money.cells, customer_id, before=before, visible_vendors=visible, limit=9)
        return [entry.amount for entry in entries]

    assert await amounts(None) == [3, 2, 1]
    assert await amounts([first, second]) == [2, 1]
    assert await amounts(None, made[2].charge_id) == [2, 1]
    assert [each.amount for each in await read_customers.find_entries(money.cells, customer_id, made[1].charge_id, [second])] == [2]
    stranger = await customer_in(money, 0)
    for read in (
        read_customers.get_customer(money.cells, stranger, [first]),
        read_customers.list_entries(money.cells, stranger, before=None, visible_vendors=[first], limit=9),
        read_customers.find_entries(money.cells, stranger, made[0].charge_id, [first]),
        read_customers.get_customer(money.cells, customer_id + 400, None),
    ):
        with pytest.raises(NotFound):
            await read
