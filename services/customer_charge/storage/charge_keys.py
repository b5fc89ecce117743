"""Idempotency keys of charges: the truth that one key makes one charge, for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from psycopg.rows import class_row

from services.customer_charge.domain.charges import ChargeOrder
from services.customer_charge.storage.order_columns import OrderColumns
from shared.database import Connection, Cursor
from shared.sql_arrays import int_array, text_array


class KeyState(IntEnum):
    """What became of a key: used for a charge, sealed so that it can never be used, or used for a reversal."""

    USED = 1
    SEALED = 2
    REVERSAL = 3


@dataclass(frozen=True, slots=True)
class ChargeKey:
    """One key row; the payload columns are None for a key that made no charge."""

    vendor_id: int
    key: str
    state: int
    charge_id: str | None
    customer_id: int | None
    amount: int | None

    def made_by(self, order: ChargeOrder) -> bool:
        """Tell whether the key was used with the same payload, compared column by column."""
        return (self.customer_id, self.amount) == (order.customer_id, order.amount)


INSERT_NEW_KEYS = """
INSERT INTO charge_keys (vendor_id, key, state, charge_id, customer_id, amount, created_at)
SELECT item.vendor_id, item.key, 1, item.charge_id, item.customer_id, item.amount, %(now)s
FROM (
    SELECT unnest(%(vendor_ids)s::bigint[]) AS vendor_id, unnest(%(keys)s::text[]) AS key, unnest(%(charge_ids)s::uuid[]) AS charge_id,
        unnest(%(customer_ids)s::bigint[]) AS customer_id, unnest(%(amounts)s::bigint[]) AS amount
    FROM cell
) AS item
"""


async def insert_new_keys(connection: Connection, orders: OrderColumns, now: datetime) -> Cursor:
    """Record keys; fails with a unique violation when one is known. Waits for a transaction that is recording one of them."""
    return await connection.execute(INSERT_NEW_KEYS, _parameters(orders, now))


INSERT_KEYS = (
    INSERT_NEW_KEYS
    + """
ON CONFLICT (vendor_id, key) DO NOTHING
RETURNING charge_id::text
"""
)


async def insert_keys(connection: Connection, orders: OrderColumns, now: datetime) -> Cursor:
    """Record the keys that are new; the rows are the charge ids they now stand for.

    Waits for a transaction that is recording one of the same keys.
    """
    return await connection.execute(INSERT_KEYS, _parameters(orders, now))


def _parameters(orders: OrderColumns, now: datetime) -> dict[str, object]:
    return {
        "vendor_ids": orders.vendor_ids,
        "keys": orders.keys,
        "charge_ids": orders.charge_ids,
        "customer_ids": orders.customer_ids,
        "amounts": orders.amounts,
        "now": now,
    }


GET_KEYS = """
SELECT charge_keys.vendor_id, charge_keys.key, state, charge_id::text AS charge_id, customer_id, amount
FROM unnest(%(vendor_ids)s::bigint[], %(keys)s::text[]) AS item (vendor_id, key)
JOIN charge_keys ON charge_keys.vendor_id = item.vendor_id AND charge_keys.key = item.key
"""


async def get_keys(connection: Connection, names: Sequence[tuple[int, str]]) -> dict[tuple[int, str], ChargeKey]:
    """Return the key rows that exist for the (vendor id, key) pairs."""
    async with connection.cursor(row_factory=class_row(ChargeKey)) as cursor:
        await cursor.execute(GET_KEYS, {"vendor_ids": int_array(name[0] for name in names), "keys": text_array(name[1] for name in names)})
        return {(row.vendor_id, row.key): row for row in await cursor.fetchall()}
