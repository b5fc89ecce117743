"""Which vendors see which customers, and customers by id: the two sides of a partner's list, each in cells of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import args_row, class_row

from services.customer_charge.storage.customers import Customer
from shared.database import Connection
from shared.sql_arrays import int_array


class Link(NamedTuple):
    """A customer that some vendors see, since the first of them created or charged it."""

    customer_id: int
    since: datetime


LINKS_OF = """
SELECT customer_id, min(created_at) AS since
FROM customer_vendors
WHERE vendor_id = ANY(%(vendor_ids)s::bigint[]) AND customer_id = ANY(%(customer_ids)s::bigint[])
GROUP BY customer_id
"""


async def links_of(connection: Connection, vendor_ids: Sequence[int], customer_ids: Sequence[int]) -> list[Link]:
    """Return which of the customers the vendors see."""
    async with connection.cursor(row_factory=args_row(Link)) as cursor:
        await cursor.execute(LINKS_OF, {"vendor_ids": int_array(vendor_ids), "customer_ids": int_array(customer_ids)})
        return await cursor.fetchall()


NEXT_LINKS = """
SELECT customer_id, min(created_at) AS since
FROM customer_vendors
WHERE vendor_id = ANY(%(vendor_ids)s::bigint[]) AND customer_id > %(after_id)s
GROUP BY customer_id
ORDER BY customer_id
LIMIT %(limit)s
"""


async def next_links(connection: Connection, vendor_ids: Sequence[int], *, after_id: int, limit: int) -> list[Link]:
    """Return the customers that the vendors see, in id order, above `after_id`."""
    async with connection.cursor(row_factory=args_row(Link)) as cursor:
        await cursor.execute(NEXT_LINKS, {"vendor_ids": int_array(vendor_ids), "after_id": after_id, "limit": limit})
        return await cursor.fetchall()


GET_CUSTOMERS = """
SELECT id, phone_number, balance, created_at
FROM customers
WHERE id = ANY(%(customer_ids)s::bigint[]) AND starts_with(phone_number, %(search)s)
ORDER BY id
"""


async def get_customers(connection: Connection, customer_ids: Sequence[int], search: str) -> list[Customer]:
    """Return those of the customers that exist and whose phone number begins with `search`, in id order."""
    async with connection.cursor(row_factory=class_row(Customer)) as cursor:
        await cursor.execute(GET_CUSTOMERS, {"customer_ids": int_array(customer_ids), "search": search})
        return await cursor.fetchall()
