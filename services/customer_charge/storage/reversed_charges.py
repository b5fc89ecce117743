"""Charges as their reversals see them: how much of each is taken."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from psycopg.rows import class_row

from services.customer_charge.domain.reversals import ReversalState, ReversalVerdict, ReversibleCharge
from shared.database import Connection
from shared.sql_arrays import int_array, uuid_array

GET_CHARGE = """
SELECT id::text AS id, vendor_id, customer_id, amount, state, coalesce(reserved_amount, 0) AS reserved_amount
FROM charges
WHERE id = %(id)s AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
"""


async def get_charge(connection: Connection, charge_id: str, vendor_ids: Sequence[int] | None) -> ReversibleCharge | None:
    """Return a charge of the vendors (None: of any) as it is now, without a lock; None for none."""
    async with connection.cursor(row_factory=class_row(ReversibleCharge)) as cursor:
        await cursor.execute(GET_CHARGE, {"id": charge_id, "vendor_ids": None if vendor_ids is None else int_array(vendor_ids)})
        return await cursor.fetchone()


LOCK_CHARGES = """
SELECT id::text AS id, vendor_id, customer_id, amount, state, coalesce(reserved_amount, 0) AS reserved_amount
FROM charges
WHERE id = ANY(%(ids)s::uuid[])
ORDER BY charges.id
FOR UPDATE
"""


async def lock_charges(connection: Connection, charge_ids: Iterable[str]) -> dict[str, ReversibleCharge]:
    """Lock the charges, in id order so that nobody waits in a circle, and return them as they are under the lock, by id.

    So reversals of one charge go one by one, and each sees what the others took.
    """
    async with connection.cursor(row_factory=class_row(ReversibleCharge)) as cursor:
        await cursor.execute(LOCK_CHARGES, {"ids": uuid_array(sorted(set(charge_ids)))})
        return {charge.id: charge for charge in await cursor.fetchall()}


RESERVE_AMOUNT = """
UPDATE charges
SET reserved_amount = coalesce(reserved_amount, 0) + %(amount)s, reversed_amount = coalesce(reversed_amount, 0)
WHERE id = %(id)s
"""


async def reserve_amount(connection: Connection, charge_id: str, amount: int) -> None:
    """Take an amount of a locked charge for a new reversal. The database refuses what would exceed the charge."""
    cursor = await connection.execute(RESERVE_AMOUNT, {"id": charge_id, "amount": amount})
    if cursor.rowcount != 1:
        raise RuntimeError(f"charge {charge_id} was not reserved")


MOVE_AMOUNTS = """
UPDATE charges
SET reserved_amount = reserved_amount - item.released, reversed_amount = reversed_amount + item.reversed
FROM unnest(%(ids)s::uuid[], %(released)s::bigint[], %(reversed)s::bigint[]) AS item (id, released, reversed)
WHERE charges.id = item.id
"""


async def move_amounts(connection: Connection, verdicts: Iterable[ReversalVerdict]) -> None:
    """Count what succeeded as reversed and give back what failed, on the locked charges of reversals that this transaction ended."""
    released: dict[str, int] = defaultdict(int)
    done: dict[str, int] = defaultdict(int)
    for verdict in verdicts:
        amounts = done if verdict.state == ReversalState.SUCCEEDED else released
        amounts[verdict.reversal.charge_id] += verdict.reversal.amount
    ids = sorted({*released, *done})
    cursor = await connection.execute(
        MOVE_AMOUNTS,
        {
            "ids": uuid_array(ids),
            "released": int_array(released[charge_id] for charge_id in ids),
            "reversed": int_array(done[charge_id] for charge_id in ids),
        },
    )
    if cursor.rowcount != len(ids):
        raise RuntimeError(f"{cursor.rowcount} of {len(ids)} charges were moved")
