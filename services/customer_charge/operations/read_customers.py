"""Read customers and their ledgers."""

from collections.abc import Sequence
from operator import attrgetter

from services.customer_charge.domain.ledger import Entry
from services.customer_charge.operations.visible_customers import as_seen, list_visible, seen_since
from services.customer_charge.storage import accounts, customers
from services.customer_charge.storage.customers import Customer
from shared.cells import Cells, merged
from shared.database import Connection, Database
from shared.errors import NotFound


async def get_customer(cells: Cells, customer_id: int, visible_vendors: Sequence[int] | None) -> Customer:
    """Return one customer that the vendors created or charged (None: any). Raises NotFound, also for one they did not."""
    if visible_vendors is None or len(cells) == 1:
        async with cells.of(customer_id).reading() as connection:
            return await _visible(connection, customer_id, visible_vendors, "id")
    since = await seen_since(cells, visible_vendors, [customer_id])
    if customer_id not in since:
        raise NotFound.of("customer", customer_id)
    async with cells.of(customer_id).reading() as connection:
        return as_seen(await _visible(connection, customer_id, None, "id"), since[customer_id])


async def list_customers(
    cells: Cells, *, after_id: int, visible_vendors: Sequence[int] | None, phone_number: str, search: str = "", limit: int
) -> list[Customer]:
    """Return up to `limit` customers in id order, above `after_id`, that the vendors created or charged (None: any).

    Only those with the phone number, and whose number begins with `search`, where these are not empty.
    """
    if visible_vendors is not None and len(cells) > 1:
        return await list_visible(cells, visible_vendors, after_id=after_id, phone_number=phone_number, search=search, limit=limit)

    async def page(database: Database) -> list[Customer]:
        async with database.reading() as connection:
            return await customers.list_customers(
                connection, visible_vendors=visible_vendors, after_id=after_id, phone_number=phone_number, search=search, limit=limit
            )

    pages = await cells.gather(page, [cells.of_text(phone_number)] if phone_number else None)
    return merged(pages, key=attrgetter("id"), limit=limit)


async def list_entries(
    cells: Cells, customer_id: int, *, before: str | None, visible_vendors: Sequence[int] | None, limit: int
) -> list[Entry]:
    """Return up to `limit` entries of a customer, newest first, caused by the vendors (None: any), older than the entry of charge `before`.

    Raises NotFound.
    """
    links_here = await _links_here(cells, customer_id, visible_vendors)
    async with cells.of(customer_id).reading() as connection:
        await _visible(connection, customer_id, links_here, "customer_id")
        return await accounts.list_entries(connection, customer_id, before=before, visible_vendors=visible_vendors, limit=limit)


async def find_entries(cells: Cells, customer_id: int, reference: str, visible_vendors: Sequence[int] | None) -> list[Entry]:
    """Return the entries of a customer with this reference, newest first, caused by the vendors (None: any). Raises NotFound."""
    links_here = await _links_here(cells, customer_id, visible_vendors)
    async with cells.of(customer_id).reading() as connection:
        await _visible(connection, customer_id, links_here, "customer_id")
        return await accounts.find_entries(connection, customer_id, reference, visible_vendors)


async def _links_here(cells: Cells, customer_id: int, visible_vendors: Sequence[int] | None) -> Sequence[int] | None:
    """Return the vendors by whose links the customer's cell is to tell whether it is visible: None where the vendors' cells said so.

    Raises NotFound where they said no.
    """
    if visible_vendors is None or len(cells) == 1:
        return visible_vendors
    if not await seen_since(cells, visible_vendors, [customer_id]):
        raise NotFound.of("customer", customer_id, "customer_id")
    return None


async def _visible(connection: Connection, customer_id: int, visible_vendors: Sequence[int] | None, field: str) -> Customer:
    found = await customers.list_customers(connection, visible_vendors=visible_vendors, customer_id=customer_id)
    if not found:
        raise NotFound.of("customer", customer_id, field)
    return found[0]
