"""How far reversals were matched with the vendor ledger, and those that the books disagree about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.reversal_matching import ReversalMismatch
from shared.database import Connection
from shared.sql_arrays import int_array, text_array, uuid_array

READ_CHECKPOINT = "SELECT reversal_id::text FROM books_check WHERE id = 0"


async def read_checkpoint(connection: Connection) -> str:
    """Return the id up to which reversals were matched."""
    row = await (await connection.execute(READ_CHECKPOINT)).fetchone()
    if row is None:
        raise RuntimeError("the row of the last check is gone")
    return str(row[0])


MOVE_CHECKPOINT = "UPDATE books_check SET reversal_id = greatest(reversal_id, %(reversal_id)s::uuid) WHERE id = 0"


async def move_checkpoint(connection: Connection, reversal_id: str) -> None:
    """Record how far reversals were matched; a check that was overtaken by a later one moves nothing back."""
    cursor = await connection.execute(MOVE_CHECKPOINT, {"reversal_id": reversal_id})
    if cursor.rowcount != 1:
        raise RuntimeError("the row of the last check is gone")


@dataclass(frozen=True, slots=True)
class KnownReversal:
    """A reversal that the books disagree about; amount in minor units."""

    reversal_id: str
    amount: int
    finding: str


READ_MISMATCHES = """
SELECT reversal_id::text AS reversal_id, amount, finding
FROM mismatched_reversals
ORDER BY mismatched_reversals.reversal_id
LIMIT 10000
"""


async def read_mismatches(connection: Connection) -> list[KnownReversal]:
    """Return the known mismatches, at most 10,000."""
    async with connection.cursor(row_factory=class_row(KnownReversal)) as cursor:
        await cursor.execute(READ_MISMATCHES)
        return await cursor.fetchall()


INSERT_MISMATCHES = """
INSERT INTO mismatched_reversals (reversal_id, amount, finding, found_at)
SELECT item.reversal_id, item.amount, item.finding, %(now)s
FROM unnest(%(reversal_ids)s::uuid[], %(amounts)s::bigint[], %(findings)s::text[]) AS item (reversal_id, amount, finding)
JOIN cell ON true
ON CONFLICT (reversal_id) DO NOTHING
"""

DELETE_MISMATCHES = "DELETE FROM mismatched_reversals WHERE reversal_id = ANY(%(reversal_ids)s::uuid[])"


async def write_mismatches(connection: Connection, found: Sequence[ReversalMismatch], mended: Sequence[str], now: datetime) -> None:
    """Add what was found and remove what agrees again."""
    if found:
        # The first of each reversal, which has the amount: one credited in two cells is there for each vendor.
        first = {mismatch.reversal_id: mismatch for mismatch in reversed(found)}
        ordered = [first[reversal_id] for reversal_id in sorted(first)]
        await connection.execute(
            INSERT_MISMATCHES,
            {
                "reversal_ids": uuid_array(mismatch.reversal_id for mismatch in ordered),
                "amounts": int_array(mismatch.amount for mismatch in ordered),
                "findings": text_array(mismatch.finding for mismatch in ordered),
                "now": now,
            },
        )
    if mended:
        await connection.execute(DELETE_MISMATCHES, {"reversal_ids": uuid_array(mended)})
