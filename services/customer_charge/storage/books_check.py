"""How far the books were checked, what came of it, and the charges that they disagree about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.matching import Mismatch
from shared.database import Connection
from shared.sql_arrays import int_array, text_array, uuid_array


@dataclass(frozen=True, slots=True)
class BooksCheck:
    """The last check. Charges up to `charge_id` were matched; in the present round customers up to `customer_id` were looked at."""

    charge_id: str
    customer_id: int
    checked_at: datetime | None
    stopped_vendors: int
    findings: list[str]


READ_CHECK = "SELECT charge_id::text AS charge_id, customer_id, checked_at, stopped_vendors, findings FROM books_check WHERE id = 0"


async def read_check(connection: Connection) -> BooksCheck:
    """Return the last check."""
    async with connection.cursor(row_factory=class_row(BooksCheck)) as cursor:
        await cursor.execute(READ_CHECK)
        check = await cursor.fetchone()
    if check is None:
        raise RuntimeError("the row of the last check is gone")
    return check


MOVE_CHECKPOINT = """
UPDATE books_check
SET charge_id = greatest(charge_id, %(charge_id)s::uuid), customer_id = %(customer_id)s
WHERE id = 0
"""


async def move_checkpoint(connection: Connection, *, charge_id: str, customer_id: int) -> None:
    """Record how far the books were checked; a check that was overtaken by a later one moves the charges nothing back."""
    cursor = await connection.execute(MOVE_CHECKPOINT, {"charge_id": charge_id, "customer_id": customer_id})
    if cursor.rowcount != 1:
        raise RuntimeError("the row of the last check is gone")


FINISH_CHECK = """
UPDATE books_check
SET checked_at = %(now)s, stopped_vendors = %(stopped_vendors)s, findings = %(findings)s::text[]
WHERE id = 0
"""


async def finish_check(connection: Connection, *, now: datetime, stopped_vendors: int, findings: Sequence[str]) -> None:
    """Record that a check of both services came to its end, and what it found."""
    await connection.execute(FINISH_CHECK, {"now": now, "stopped_vendors": stopped_vendors, "findings": text_array(findings)})


@dataclass(frozen=True, slots=True)
class KnownMismatch:
    """A charge that the books disagree about; amount in minor units."""

    charge_id: str
    amount: int
    finding: str


READ_MISMATCHES = (
    "SELECT charge_id::text AS charge_id, amount, finding FROM mismatched_charges ORDER BY mismatched_charges.charge_id LIMIT 10000"
)


async def read_mismatches(connection: Connection) -> list[KnownMismatch]:
    """Return the known mismatches, at most 10,000."""
    async with connection.cursor(row_factory=class_row(KnownMismatch)) as cursor:
        await cursor.execute(READ_MISMATCHES)
        return await cursor.fetchall()


INSERT_MISMATCHES = """
INSERT INTO mismatched_charges (charge_id, amount, finding, found_at)
SELECT item.charge_id, item.amount, item.finding, %(now)s
FROM unnest(%(charge_ids)s::uuid[], %(amounts)s::bigint[], %(findings)s::text[]) AS item (charge_id, amount, finding)
JOIN cell ON true
ON CONFLICT (charge_id) DO NOTHING
"""

DELETE_MISMATCHES = "DELETE FROM mismatched_charges WHERE charge_id = ANY(%(charge_ids)s::uuid[])"


async def write_mismatches(connection: Connection, found: Sequence[Mismatch], mended: Sequence[str], now: datetime) -> None:
    """Add what was found and remove what agrees again."""
    if found:
        # The first of each charge, which has the amount: a charge decided in two cells is there for each vendor.
        first = {mismatch.charge_id: mismatch for mismatch in reversed(found)}
        ordered = [first[charge_id] for charge_id in sorted(first)]
        await connection.execute(
            INSERT_MISMATCHES,
            {
                "charge_ids": uuid_array(mismatch.charge_id for mismatch in ordered),
                "amounts": int_array(mismatch.amount for mismatch in ordered),
                "findings": text_array(mismatch.finding for mismatch in ordered),
                "now": now,
            },
        )
    if mended:
        await connection.execute(DELETE_MISMATCHES, {"charge_ids": uuid_array(mended)})
