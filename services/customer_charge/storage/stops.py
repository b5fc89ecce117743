"""Which customers are stopped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared.database import Connection
from shared.sql_arrays import int_array

STOP_CUSTOMER = """
UPDATE customers
SET stopped_at = %(now)s, stop_reason = %(reason)s
WHERE id = %(customer_id)s AND stopped_at IS NULL
"""


async def stop_customers(connection: Connection, findings: Mapping[int, str], now: datetime) -> list[int]:
    """Stop the customers, each for its finding, and return those that were not stopped before. The caller holds their locks."""
    stopped = []
    for customer_id in sorted(findings):
        cursor = await connection.execute(STOP_CUSTOMER, {"customer_id": customer_id, "reason": findings[customer_id], "now": now})
        if cursor.rowcount == 1:
            stopped.append(customer_id)
    return stopped


RELEASE_CUSTOMER = """
UPDATE customers
SET stopped_at = NULL, stop_reason = NULL
WHERE id = %(customer_id)s AND stopped_at IS NOT NULL
"""


async def release_customer(connection: Connection, customer_id: int) -> bool:
    """Let a stopped customer go on; False when it was not stopped. The caller holds its lock."""
    cursor = await connection.execute(RELEASE_CUSTOMER, {"customer_id": customer_id})
    return cursor.rowcount == 1


STOPPED_AMONG = "SELECT id FROM customers WHERE stopped_at IS NOT NULL AND id = ANY(%(customer_ids)s::bigint[])"


async def stopped_among(connection: Connection, customer_ids: Iterable[int]) -> set[int]:
    """Return those of the customers who are stopped."""
    cursor = await connection.execute(STOPPED_AMONG, {"customer_ids": int_array(customer_ids)})
    return {row[0] for row in await cursor.fetchall()}


COUNT_STOPPED = "SELECT count(*) FROM customers WHERE stopped_at IS NOT NULL"


async def count_stopped(connection: Connection) -> int:
    """Return how many customers are stopped."""
    cursor = await connection.execute(COUNT_STOPPED)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return int(row[0])


@dataclass(frozen=True, slots=True)
class HeadCheck:
    """Whether a customer's balance and last seq are those of its last entry."""

    customer_id: int
    whole: bool


HEADS = """
SELECT customer.id AS customer_id,
       CASE WHEN customer.last_seq = 0 THEN customer.balance = 0 ELSE coalesce(entry.balance_after = customer.balance, false) END
           AND beyond.seq IS NULL AS whole
FROM customers AS customer
LEFT JOIN customer_entries AS entry ON entry.customer_id = customer.id AND entry.seq = customer.last_seq
LEFT JOIN customer_entries AS beyond ON beyond.customer_id = customer.id AND beyond.seq = customer.last_seq + 1
"""

HEADS_OF = f"""{HEADS}
WHERE customer.id = ANY(%(customer_ids)s::bigint[])
"""


async def heads_of(connection: Connection, customer_ids: set[int]) -> list[HeadCheck]:
    """Look at the heads of these customers."""
    async with connection.cursor(row_factory=class_row(HeadCheck)) as cursor:
        await cursor.execute(HEADS_OF, {"customer_ids": int_array(sorted(customer_ids))})
        return await cursor.fetchall()


NEXT_HEADS = f"""{HEADS}
WHERE customer.id > %(after_id)s
ORDER BY customer.id
LIMIT %(limit)s
"""


async def next_heads(connection: Connection, *, after_id: int, limit: int) -> list[HeadCheck]:
    """Look at the heads of the customers above `after_id`, in order of id."""
    async with connection.cursor(row_factory=class_row(HeadCheck)) as cursor:
        await cursor.execute(NEXT_HEADS, {"after_id": after_id, "limit": limit})
        return await cursor.fetchall()
