"""Idempotency keys of reversals. They share the rows of the charges' keys: one key makes one charge or one reversal, for ever."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.reversals import ReversalOrder
from shared.database import Connection

INSERT_KEY = """
INSERT INTO charge_keys (vendor_id, key, state, reversal_id, created_at)
VALUES (%(vendor_id)s, %(key)s, 3, %(reversal_id)s, %(now)s)
ON CONFLICT (vendor_id, key) DO NOTHING
"""


async def insert_key(connection: Connection, vendor_id: int, order: ReversalOrder, now: datetime) -> bool:
    """Record the order's key if it is new, and tell whether it was. Waits for a transaction that is recording the same key."""
    cursor = await connection.execute(INSERT_KEY, {"vendor_id": vendor_id, "key": order.key, "reversal_id": order.reversal_id, "now": now})
    return cursor.rowcount == 1


@dataclass(frozen=True, slots=True)
class UsedKey:
    """What a key stands for: `state` as in `charge_keys.KeyState`, `reversal_id` when it made a reversal."""

    state: int
    reversal_id: str | None


GET_KEY = """
SELECT state, reversal_id::text AS reversal_id
FROM charge_keys
WHERE vendor_id = %(vendor_id)s AND key = %(key)s
"""


async def get_key(connection: Connection, vendor_id: int, key: str) -> UsedKey:
    """Return what a key stands for that is known to be recorded."""
    async with connection.cursor(row_factory=class_row(UsedKey)) as cursor:
        await cursor.execute(GET_KEY, {"vendor_id": vendor_id, "key": key})
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - keys are never removed
    return row
