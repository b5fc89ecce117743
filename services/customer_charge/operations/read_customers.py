"""Read customers and their ledgers."""

from collections.abc import Sequence

from services.customer_charge.domain.ledger import Entry
from services.customer_charge.storage import accounts, customers
from services.customer_charge.storage.customers import Customer
from shared.database import Connection, Database
from shared.errors import NotFound


async def get_customer(database: Database, customer_id: int, visible_vendors: Sequence[int] | None) -> Customer:
    """Return one customer that the vendors created or charged (None: any). Raises NotFound, also for one they did not."""
    async with database.reading() as connection:
        return await _visible(connection, customer_id, visible_vendors, "id")


async def list_customers(
    database: Database, *, after_id: int, visible_vendors: Sequence[int] | None, phone_number: str, search: str = "", limit: int
) -> list[Customer]:
    """Return up to `limit` customers in id order, above `after_id`, that the vendors created or charged (None: any).

    Only those with the phone number, and whose number begins with `search`, where these are not empty.
    """
    async with database.reading() as connection:
        return await customers.list_customers(
            connection, visible_vendors=visible_vendors, after_id=after_id, phone_number=phone_number, search=search, limit=limit
        )


async def list_entries(
    database: Database, customer_id: int, *, before: str | None, visible_vendors: Sequence[int] | None, limit: int
) -> list[Entry]:
    """Return up to `limit` entries of a customer, newest first, caused by the vendors (None: any), older than the entry of charge `before`.

    Raises NotFound.
    """
    async with database.reading() as connection:
        await _visible(connection, customer_id, visible_vendors, "customer_id")
        return await accounts.list_entries(connection, customer_id, before=before, visible_vendors=visible_vendors, limit=limit)


async def find_entries(database: Database, customer_id: int, reference: str, visible_vendors: Sequence[int] | None) -> list[Entry]:
    """Return the entries of a customer with this reference, newest first, caused by the vendors (None: any). Raises NotFound."""
    async with database.reading() as connection:
        await _visible(connection, customer_id, visible_vendors, "customer_id")
        return await accounts.find_entries(connection, customer_id, reference, visible_vendors)


async def _visible(connection: Connection, customer_id: int, visible_vendors: Sequence[int] | None, field: str) -> Customer:
    found = await customers.list_customers(connection, visible_vendors=visible_vendors, customer_id=customer_id)
    if not found:
        raise NotFound.of("customer", customer_id, field)
    return found[0]
