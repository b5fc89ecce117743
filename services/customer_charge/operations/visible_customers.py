"""Customers as partners see them where there are several cells: the links are in the vendors' cells, the customers in their own."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter

from services.customer_charge.storage import customer_links, customers
from services.customer_charge.storage.customer_links import Link
from services.customer_charge.storage.customers import Customer
from shared.cells import Cells, merged
from shared.database import Database

LINKS_PAGE = 1_000
"""Links read at a time in a search by phone number, which the links do not know: most are of customers whose number does not fit."""


async def seen_since(cells: Cells, vendor_ids: Sequence[int], customer_ids: Sequence[int]) -> dict[int, datetime]:
    """Return those of the customers that the vendors created or charged, and when their dealings began."""

    async def links(database: Database) -> list[Link]:
        async with database.reading() as connection:
            return await customer_links.links_of(connection, vendor_ids, customer_ids)

    return _earliest([link for page in await cells.gather(links, cells.of_some(vendor_ids)) for link in page])


async def list_visible(
    cells: Cells, vendor_ids: Sequence[int], *, after_id: int, phone_number: str, search: str, limit: int
) -> list[Customer]:
    """Return up to `limit` customers in id order, above `after_id`, that the vendors created or charged, with the filters of the list."""
    if phone_number:
        return await _with_number(cells, vendor_ids, after_id=after_id, phone_number=phone_number, search=search)
    size = LINKS_PAGE if search else limit
    found: list[Customer] = []
    while len(found) < limit:
        since = await _next_links(cells, vendor_ids, after_id, size)
        found += await _customers(cells, since, search)
        if len(since) < size:
            break
        after_id = max(since)
    return found[:limit]


def as_seen(customer: Customer, since: datetime) -> Customer:
    """Return a customer as a confined reader sees it: from when its own dealings began, and without what operators know of it."""
    return replace(customer, created_at=since, stopped=False)


async def _with_number(cells: Cells, vendor_ids: Sequence[int], *, after_id: int, phone_number: str, search: str) -> list[Customer]:
    """Return the customer with a number, whose cell it tells, if the vendors see it."""
    async with cells.of_text(phone_number).reading() as connection:
        found = await customers.list_customers(
            connection, visible_vendors=None, after_id=after_id, phone_number=phone_number, search=search
        )
    since = await seen_since(cells, vendor_ids, [customer.id for customer in found])
    return [as_seen(customer, since[customer.id]) for customer in found if customer.id in since]


async def _next_links(cells: Cells, vendor_ids: Sequence[int], after_id: int, limit: int) -> dict[int, datetime]:
    """Return the next customers that the vendors see, above `after_id`, by id; fewer than `limit` when there are no more."""

    async def page(database: Database) -> list[Link]:
        async with database.reading() as connection:
            return await customer_links.next_links(connection, vendor_ids, after_id=after_id, limit=limit)

    pages = await cells.gather(page, cells.of_some(vendor_ids))
    since = _earliest(merged(pages, key=attrgetter("customer_id"), limit=sum(map(len, pages))))
    return dict(list(since.items())[:limit])


def _earliest(links: Sequence[Link]) -> dict[int, datetime]:
    """Return since when each customer is seen, in the order of the links: vendors in several cells may see the same one."""
    since: dict[int, datetime] = {}
    for link in links:
        since[link.customer_id] = min(since.get(link.customer_id, link.since), link.since)
    return since


async def _customers(cells: Cells, since: dict[int, datetime], search: str) -> list[Customer]:
    """Return those of the customers whose number begins with `search`, in id order."""
    parts = {cells.of(part[0]): part for part in cells.split(since, lambda customer_id: customer_id).values()}

    async def page(database: Database) -> list[Customer]:
        async with database.reading() as connection:
            return await customer_links.get_customers(connection, parts[database], search)

    pages = await cells.gather(page, list(parts))
    return [as_seen(each, since[each.id]) for each in merged(pages, key=attrgetter("id"), limit=len(since))]
