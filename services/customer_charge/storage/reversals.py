"""Reversals."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.reversals import (
    INSUFFICIENT_CUSTOMER_BALANCE,
    Reversal,
    ReversalOrder,
    ReversalState,
    ReversalVerdict,
    ReversibleCharge,
)
from shared.database import Connection
from shared.sql_arrays import int_array, nullable_int_array, uuid_array

INSERT_REVERSAL = """
INSERT INTO reversals (id, charge_id, vendor_id, customer_id, amount, asked_amount, reason, state, principal, created_at)
VALUES (%(id)s, %(charge_id)s, %(vendor_id)s, %(customer_id)s, %(amount)s, %(asked_amount)s, %(reason)s, 1, %(principal)s, %(now)s)
"""


async def insert_reversal(connection: Connection, order: ReversalOrder, charge: ReversibleCharge, amount: int, now: datetime) -> None:
    """Add an accepted reversal of a charge."""
    await connection.execute(
        INSERT_REVERSAL,
        {
            "id": order.reversal_id,
            "charge_id": charge.id,
            "vendor_id": charge.vendor_id,
            "customer_id": charge.customer_id,
            "amount": amount,
            "asked_amount": order.asked_amount,
            "reason": order.reason,
            "principal": order.principal,
            "now": now,
        },
    )


LOCK_REVERSALS = """
SELECT id::text, state, debited_at IS NOT NULL
FROM reversals
WHERE id = ANY(%(ids)s::uuid[])
ORDER BY reversals.id
FOR UPDATE
"""


async def lock_reversals(connection: Connection, reversal_ids: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """Lock the reversals, in id order, and return by id the state and whether the customer was debited, as they are under the lock.

    The caller holds the locks of their charges: charges first, then reversals, then accounts.
    """
    cursor = await connection.execute(LOCK_REVERSALS, {"ids": uuid_array(reversal_ids)})
    return {row[0]: (row[1], row[2]) for row in await cursor.fetchall()}


MARK_DEBITED = """
UPDATE reversals
SET debited_at = %(now)s
WHERE id = ANY(%(ids)s::uuid[]) AND state = 1 AND debited_at IS NULL
"""


async def mark_debited(connection: Connection, reversal_ids: Sequence[str], now: datetime) -> None:
    """Note that the customers' entries of locked reversals are written."""
    cursor = await connection.execute(MARK_DEBITED, {"ids": uuid_array(reversal_ids), "now": now})
    if cursor.rowcount != len(reversal_ids):
        raise RuntimeError(f"{cursor.rowcount} of {len(reversal_ids)} reversals were marked as debited")


FINISH_REVERSALS = """
UPDATE reversals
SET state = item.state, failure_reason = item.reason, available = item.available, shortfall = item.shortfall, settled_at = %(now)s
FROM unnest(
    %(ids)s::uuid[], %(states)s::smallint[], %(reasons)s::smallint[], %(availables)s::bigint[], %(shortfalls)s::bigint[]
) AS item (id, state, reason, available, shortfall)
WHERE reversals.id = item.id AND reversals.state = 1 AND (item.state = 2) = (reversals.debited_at IS NOT NULL)
RETURNING reversals.id::text
"""


async def finish_reversals(connection: Connection, verdicts: Sequence[ReversalVerdict], now: datetime) -> set[str]:
    """Move accepted reversals to their final state and return the ids that this transaction moved: a compare-and-set.

    Only one whose customer was debited can succeed, and only one whose customer was not can fail. The caller holds their locks.
    """
    failed = [verdict.state == ReversalState.FAILED for verdict in verdicts]
    cursor = await connection.execute(
        FINISH_REVERSALS,
        {
            "ids": uuid_array(verdict.reversal.reversal_id for verdict in verdicts),
            "states": int_array(verdict.state for verdict in verdicts),
            "reasons": nullable_int_array(INSUFFICIENT_CUSTOMER_BALANCE if each else None for each in failed),
            "availables": nullable_int_array(verdict.available for verdict in verdicts),
            "shortfalls": nullable_int_array(verdict.shortfall for verdict in verdicts),
            "now": now,
        },
    )
    return {row[0] for row in await cursor.fetchall()}


GET_REVERSAL = """
SELECT id::text AS id, charge_id::text AS charge_id, vendor_id, customer_id, amount, asked_amount, reason, state, failure_reason,
       available, shortfall, created_at, debited_at, settled_at
FROM reversals
WHERE id = %(id)s AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
"""


async def get_reversal(connection: Connection, reversal_id: str, visible_vendors: Sequence[int] | None = None) -> Reversal | None:
    """Return one reversal, or None when there is none of a charge of the visible vendors (None: all)."""
    async with connection.cursor(row_factory=class_row(Reversal)) as cursor:
        await cursor.execute(GET_REVERSAL, {"id": reversal_id, "vendor_ids": visible_vendors})
        return await cursor.fetchone()


FINAL_REVERSALS = "SELECT id::text FROM reversals WHERE id = ANY(%(ids)s::uuid[]) AND state <> 1"


async def final_reversals(connection: Connection, reversal_ids: Sequence[str]) -> list[str]:
    """Return those of the ids whose reversal is final."""
    cursor = await connection.execute(FINAL_REVERSALS, {"ids": uuid_array(reversal_ids)})
    return [row[0] for row in await cursor.fetchall()]


LIST_REVERSALS = """
SELECT id::text AS id, charge_id::text AS charge_id, vendor_id, customer_id, amount, asked_amount, reason, state, failure_reason,
       available, shortfall, created_at, debited_at, settled_at
FROM reversals
WHERE id < %(before_id)s::uuid
  AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
  AND (%(charge_id)s::uuid IS NULL OR charge_id = %(charge_id)s::uuid)
  AND (%(state)s::smallint = 0 OR state = %(state)s)
ORDER BY reversals.id DESC
LIMIT %(limit)s
"""


async def list_reversals(
    connection: Connection, *, before_id: str, vendor_ids: Sequence[int] | None, charge_id: str | None, state: int, limit: int
) -> list[Reversal]:
    """Return reversals, newest first, below `before_id`; None, None and 0 leave a filter out."""
    async with connection.cursor(row_factory=class_row(Reversal)) as cursor:
        await cursor.execute(
            LIST_REVERSALS,
            {"before_id": before_id, "vendor_ids": vendor_ids, "charge_id": charge_id, "state": state, "limit": limit},
        )
        return await cursor.fetchall()
