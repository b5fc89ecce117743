"""Customers as vendors and operators see them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared.database import Connection
from shared.sql_arrays import int_array


@dataclass(frozen=True, slots=True)
class Customer:
    """Someone who receives credit. `created_at` is, for a confined reader, when its own dealings with the customer began."""

    id: int
    phone_number: str
    balance: int
    created_at: datetime
    stopped: bool = False


INSERT_CUSTOMER = """
INSERT INTO customers (phone_number, balance, last_seq, created_at)
VALUES (%(phone_number)s, 0, 0, %(now)s)
ON CONFLICT (phone_number) DO NOTHING
"""

GET_ID = "SELECT id FROM customers WHERE phone_number = %(phone_number)s"


async def ensure_customer(connection: Connection, phone_number: str, now: datetime) -> tuple[int, bool]:
    """Return the id of the customer with the phone number, and whether it was made now because there was none."""
    inserted = await connection.execute(INSERT_CUSTOMER, {"phone_number": phone_number, "now": now})
    cursor = await connection.execute(GET_ID, {"phone_number": phone_number})
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - inserted above, or by a transaction that has committed
    return int(row[0]), inserted.rowcount == 1


INSERT_LINKS = """
INSERT INTO customer_vendors (customer_id, vendor_id, created_at)
SELECT item.customer_id, item.vendor_id, %(now)s
FROM unnest(%(customer_ids)s::bigint[], %(vendor_ids)s::bigint[]) AS item (customer_id, vendor_id)
JOIN cell ON true
ON CONFLICT (customer_id, vendor_id) DO NOTHING
"""


async def link_vendors(connection: Connection, pairs: Iterable[tuple[int, int]], now: datetime) -> None:
    """Let each vendor see the customer, by (customer id, vendor id); sorted, so that two batches never wait in a circle."""
    ordered = sorted(pairs)
    if ordered:
        customer_ids, vendor_ids = int_array(pair[0] for pair in ordered), int_array(pair[1] for pair in ordered)
        await connection.execute(INSERT_LINKS, {"customer_ids": customer_ids, "vendor_ids": vendor_ids, "now": now})


LINKED_SINCE = """
SELECT min(created_at)
FROM customer_vendors
WHERE customer_id = %(customer_id)s AND vendor_id = ANY(%(vendor_ids)s::bigint[])
"""


async def linked_since(connection: Connection, customer_id: int, vendor_ids: Iterable[int]) -> datetime:
    """Return since when one of the vendors sees the customer; one of them must."""
    cursor = await connection.execute(LINKED_SINCE, {"customer_id": customer_id, "vendor_ids": int_array(vendor_ids)})
    row = await cursor.fetchone()
    assert row is not None and isinstance(row[0], datetime)  # noqa: S101, PT018 - the caller has just linked them
    return row[0]


LIST_ALL = """
SELECT id, phone_number, balance, created_at, stopped_at IS NOT NULL AS stopped
FROM customers
WHERE id > %(after_id)s
  AND (%(id)s::bigint IS NULL OR id = %(id)s)
  AND (%(phone_number)s = '' OR phone_number = %(phone_number)s)
ORDER BY id
LIMIT %(limit)s
"""

# The operators compare byte by byte, as the index of prefixes does. After the digits comes the colon, so a prefix ends before it.
SEARCH_ALL = """
SELECT id, phone_number, balance, created_at
FROM customers
WHERE id > %(after_id)s
  AND phone_number ~>=~ %(search)s AND phone_number ~<~ (%(search)s || ':')
  AND (%(phone_number)s = '' OR phone_number = %(phone_number)s)
ORDER BY id
LIMIT %(limit)s
"""

LIST_VISIBLE = """
SELECT customers.id, phone_number, balance, min(customer_vendors.created_at) AS created_at
FROM customer_vendors
JOIN customers ON customers.id = customer_vendors.customer_id
WHERE customer_vendors.vendor_id = ANY(%(vendor_ids)s::bigint[])
  AND customer_vendors.customer_id > %(after_id)s
  AND (%(id)s::bigint IS NULL OR customer_vendors.customer_id = %(id)s)
  AND (%(phone_number)s = '' OR phone_number = %(phone_number)s)
  AND starts_with(phone_number, %(search)s)
GROUP BY customers.id
ORDER BY customers.id
LIMIT %(limit)s
"""


async def list_customers(
    connection: Connection,
    *,
    visible_vendors: Sequence[int] | None,
    after_id: int = 0,
    customer_id: int | None = None,
    phone_number: str = "",
    search: str = "",
    limit: int = 1,
) -> list[Customer]:
    """Return customers in id order, above `after_id`, that the visible vendors created or charged (None: all customers).

    `search` is what the phone number begins with, `+` included.
    """
    everyone = SEARCH_ALL if search else LIST_ALL
    filters = {"phone_number": phone_number, "search": search}
    async with connection.cursor(row_factory=class_row(Customer)) as cursor:
        await cursor.execute(
            everyone if visible_vendors is None else LIST_VISIBLE,
            {"vendor_ids": visible_vendors, "after_id": after_id, "id": customer_id, "limit": limit, **filters},
        )
        return await cursor.fetchall()


EXISTING_CUSTOMERS = "SELECT id FROM customers WHERE id = ANY(%(customer_ids)s::bigint[])"


async def existing_customers(connection: Connection, customer_ids: Iterable[int]) -> set[int]:
    """Return those of the ids that exist."""
    cursor = await connection.execute(EXISTING_CUSTOMERS, {"customer_ids": int_array(customer_ids)})
    return {row[0] for row in await cursor.fetchall()}
