"""Pending reversals: the truth of what is left to do."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.reversals import PendingReversal
from shared.database import Connection
from shared.sql_arrays import int_array, uuid_array

INSERT_PENDING = """
INSERT INTO pending_reversals (reversal_id, charge_id, vendor_id, customer_id, amount, accepted_at, blocked)
VALUES (%(reversal_id)s, %(charge_id)s, %(vendor_id)s, %(customer_id)s, %(amount)s, %(now)s, false)
"""


async def insert_pending(connection: Connection, pending: PendingReversal, now: datetime) -> None:
    """Add the work that an accepted reversal leaves to do."""
    await connection.execute(
        INSERT_PENDING,
        {
            "reversal_id": pending.reversal_id,
            "charge_id": pending.charge_id,
            "vendor_id": pending.vendor_id,
            "customer_id": pending.customer_id,
            "amount": pending.amount,
            "now": now,
        },
    )


READ_PENDING = """
SELECT reversal_id::text AS reversal_id, charge_id::text AS charge_id, vendor_id, customer_id, amount
FROM pending_reversals
WHERE NOT blocked AND customer_id <> ALL(ARRAY(SELECT id FROM customers WHERE stopped_at IS NOT NULL))
ORDER BY pending_reversals.reversal_id
LIMIT %(limit)s
"""


async def read_pending(connection: Connection, *, limit: int) -> list[PendingReversal]:
    """Return the oldest work, but what waits for a stopped customer. Unlocked: whoever acts on it must look again under a lock."""
    async with connection.cursor(row_factory=class_row(PendingReversal)) as cursor:
        await cursor.execute(READ_PENDING, {"limit": limit})
        return await cursor.fetchall()


READ_PENDING_WITHOUT = """
SELECT reversal_id::text AS reversal_id, charge_id::text AS charge_id, vendor_id, customer_id, amount
FROM pending_reversals
WHERE NOT blocked AND customer_id <> ALL(ARRAY(SELECT id FROM customers WHERE stopped_at IS NOT NULL))
  AND customer_id <> ALL(%(stopped)s::bigint[])
  AND customer_id %% %(cells)s::int <> ALL(%(away)s::int[])
ORDER BY pending_reversals.reversal_id
LIMIT %(limit)s
"""


async def read_pending_without(
    connection: Connection, *, limit: int, stopped: Iterable[int], cells: int, away: Sequence[int]
) -> list[PendingReversal]:
    """Return the oldest work like `read_pending`, without that of customers known to be `stopped`, or who live in cells that are `away`."""
    wanted = {"limit": limit, "stopped": int_array(stopped), "cells": cells, "away": list(away)}
    async with connection.cursor(row_factory=class_row(PendingReversal)) as cursor:
        await cursor.execute(READ_PENDING_WITHOUT, wanted)
        return await cursor.fetchall()


DELETE_PENDING = "DELETE FROM pending_reversals WHERE reversal_id = ANY(%(reversal_ids)s::uuid[])"


async def delete_pending(connection: Connection, reversal_ids: Sequence[str]) -> None:
    """Remove the work of reversals that this transaction finished."""
    cursor = await connection.execute(DELETE_PENDING, {"reversal_ids": uuid_array(reversal_ids)})
    if cursor.rowcount != len(reversal_ids):
        raise RuntimeError(f"{cursor.rowcount} of {len(reversal_ids)} pending reversals were removed")


BLOCK_PENDING = "UPDATE pending_reversals SET blocked = true WHERE reversal_id = ANY(%(reversal_ids)s::uuid[])"


async def block_pending(connection: Connection, reversal_ids: Sequence[str]) -> None:
    """Set reversals aside until a person has looked: they stay pending, and no longer hold up the others."""
    await connection.execute(BLOCK_PENDING, {"reversal_ids": uuid_array(reversal_ids)})


OVERDUE = """
SELECT EXISTS (SELECT FROM pending_reversals WHERE (accepted_at < %(oldest)s OR accepted_at > %(newest)s) AND NOT blocked)
"""


async def overdue(connection: Connection, oldest: datetime, newest: datetime) -> bool:
    """Tell whether there is work that was accepted before `oldest`, or after `newest`: by a clock that ran ahead."""
    cursor = await connection.execute(OVERDUE, {"oldest": oldest, "newest": newest})
    return await cursor.fetchone() == (True,)
