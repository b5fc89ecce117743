"""Pending charges: the truth of what is left to do."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import args_row, class_row

from services.customer_charge.domain.charges import PendingCharge
from services.customer_charge.storage.order_columns import OrderColumns
from shared.database import Connection, Cursor
from shared.sql_arrays import int_array, uuid_array

INSERT_PENDING = """
INSERT INTO pending_charges (slot, charge_id, vendor_id, customer_id, amount, accepted_at, blocked)
SELECT item.vendor_id %% %(slots)s::smallint, item.charge_id, item.vendor_id, item.customer_id, item.amount, %(now)s, false
FROM (
    SELECT unnest(%(charge_ids)s::uuid[]) AS charge_id, unnest(%(vendor_ids)s::bigint[]) AS vendor_id,
        unnest(%(customer_ids)s::bigint[]) AS customer_id, unnest(%(amounts)s::bigint[]) AS amount
    FROM cell
) AS item
"""


async def insert_pending(connection: Connection, orders: OrderColumns, slots: int, now: datetime) -> Cursor:
    """Add the work that accepted charges leave to do, spread over `slots` as `slot_of` does; the caller checks that all was written."""
    return await connection.execute(
        INSERT_PENDING,
        {
            "slots": slots,
            "charge_ids": orders.charge_ids,
            "vendor_ids": orders.vendor_ids,
            "customer_ids": orders.customer_ids,
            "amounts": orders.amounts,
            "now": now,
        },
    )


READ_PENDING = """
SELECT charge_id::text AS charge_id, vendor_id, customer_id, amount,
       customer_id = ANY(ARRAY(SELECT id FROM customers WHERE stopped_at IS NOT NULL)) AS customer_stopped, allow_duplicate
FROM pending_charges
WHERE slot = %(slot)s AND NOT blocked AND pending_charges.charge_id NOT IN (SELECT unnest(%(but)s::uuid[]))
ORDER BY pending_charges.charge_id
LIMIT %(limit)s
"""


async def read_pending(connection: Connection, slot: int, *, limit: int, but: Sequence[str] = ()) -> list[PendingCharge]:
    """Return the oldest work of a slot, without the charges `but`. Unlocked: whoever acts on it must look again under a lock.

    `customer_stopped` is told of customers in this cell.
    """
    async with connection.cursor(row_factory=args_row(PendingCharge)) as cursor:
        await cursor.execute(READ_PENDING, {"slot": slot, "limit": limit, "but": uuid_array(but)})
        return await cursor.fetchall()


READ_PENDING_WITHOUT = READ_PENDING.replace("ORDER BY", "  AND customer_id %% %(cells)s::int <> ALL(%(away)s::int[])\nORDER BY")


async def read_pending_without(
    connection: Connection, slot: int, *, limit: int, but: Sequence[str], cells: int, away: Sequence[int]
) -> list[PendingCharge]:
    """Return the oldest work of a slot like `read_pending`, without that of customers who live in cells that are `away`."""
    wanted = {"slot": slot, "limit": limit, "but": uuid_array(but), "cells": cells, "away": list(away)}
    async with connection.cursor(row_factory=args_row(PendingCharge)) as cursor:
        await cursor.execute(READ_PENDING_WITHOUT, wanted)
        return await cursor.fetchall()


DELETE_PENDING = "DELETE FROM pending_charges WHERE slot = %(slot)s AND charge_id = ANY(%(charge_ids)s::uuid[])"


async def delete_pending(connection: Connection, slot: int, charge_ids: Sequence[str]) -> Cursor:
    """Remove the work of charges that this transaction finishes; the caller checks that all was there.

    Waits for whoever removes one of the same rows, and does not count it then. In id order, as the index is read, so that two workers
    never wait for each other in a circle.
    """
    return await connection.execute(DELETE_PENDING, {"slot": slot, "charge_ids": uuid_array(charge_ids)})


UNFINISHED = """
SELECT charges.id::text
FROM pending_charges
JOIN charges ON charges.id = pending_charges.charge_id AND charges.state = 1
WHERE pending_charges.slot = %(slot)s AND pending_charges.charge_id = ANY(%(charge_ids)s::uuid[])
"""


async def unfinished(connection: Connection, slot: int, charge_ids: Sequence[str]) -> set[str]:
    """Return those of the ids whose work is left to do."""
    cursor = await connection.execute(UNFINISHED, {"slot": slot, "charge_ids": uuid_array(charge_ids)})
    return {row[0] for row in await cursor.fetchall()}


BLOCK_PENDING = """
UPDATE pending_charges
SET blocked = true, awaits_release = charge_id = ANY(%(awaiting)s::uuid[])
WHERE slot = %(slot)s AND charge_id = ANY(%(charge_ids)s::uuid[])
"""


async def block_pending(connection: Connection, slot: int, charge_ids: Sequence[str], awaiting: Collection[str] = ()) -> None:
    """Set charges aside until a person has looked: they stay pending, and no longer hold up the others.

    Those that are `awaiting` the release of a customer in another cell are marked so: see `unblock_released`.
    """
    await connection.execute(BLOCK_PENDING, {"slot": slot, "charge_ids": uuid_array(charge_ids), "awaiting": uuid_array(awaiting)})


UNBLOCK_CUSTOMER = "UPDATE pending_charges SET blocked = false WHERE customer_id = %(customer_id)s AND blocked"


async def unblock_customer(connection: Connection, customer_id: int) -> None:
    """Take on again what was set aside for a customer. What was set aside for another reason comes back to that at once."""
    await connection.execute(UNBLOCK_CUSTOMER, {"customer_id": customer_id})


AWAITED_CUSTOMERS = "SELECT DISTINCT customer_id FROM pending_charges WHERE blocked AND awaits_release"


async def awaited_customers(connection: Connection) -> list[int]:
    """Return the customers in other cells whose release some charges here are set aside for."""
    cursor = await connection.execute(AWAITED_CUSTOMERS)
    return [row[0] for row in await cursor.fetchall()]


UNBLOCK_RELEASED = """
UPDATE pending_charges
SET blocked = false, awaits_release = false
WHERE blocked AND awaits_release AND customer_id = ANY(%(customer_ids)s::bigint[])
"""


async def unblock_released(connection: Connection, customer_ids: Iterable[int]) -> int:
    """Take on again what was set aside for customers in other cells who are not stopped any more; return how many charges that are."""
    return (await connection.execute(UNBLOCK_RELEASED, {"customer_ids": int_array(customer_ids)})).rowcount


OVERDUE_SLOTS = """
SELECT slot, min(accepted_at)
FROM pending_charges
WHERE (accepted_at < %(oldest)s OR accepted_at > %(newest)s) AND NOT blocked
GROUP BY slot
ORDER BY slot
"""


async def overdue_slots(connection: Connection, oldest: datetime, newest: datetime) -> dict[int, datetime]:
    """Return the slots with work accepted before `oldest`, or after `newest`: by a clock that ran ahead, so that its age is unknown.

    Each with the time of its oldest such work.
    """
    cursor = await connection.execute(OVERDUE_SLOTS, {"oldest": oldest, "newest": newest})
    return {row[0]: row[1] for row in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is left to do."""

    pending: int
    blocked: int
    oldest_at: datetime | None


READ_BACKLOG = """
SELECT count(*) AS pending, count(*) FILTER (WHERE blocked) AS blocked, min(accepted_at) AS oldest_at
FROM pending_charges
"""


async def read_backlog(connection: Connection) -> Backlog:
    """Return the backlog."""
    async with connection.cursor(row_factory=class_row(Backlog)) as cursor:
        await cursor.execute(READ_BACKLOG)
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return row
