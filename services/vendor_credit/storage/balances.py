"""A vendor's balance over time: entries found by time and by number, however many there are."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.vendor_credit.domain.ledger import Entry
from shared.database import Connection
from shared.sql_arrays import int_array

LAST_SEQ_BEFORE = """
WITH RECURSIVE halving (low, high) AS (
    SELECT 0::bigint, last_seq + 1
    FROM vendors
    WHERE id = %(vendor_id)s
    UNION ALL
    SELECT
        CASE WHEN entry.created_at < %(at)s THEN entry.seq ELSE halving.low END,
        CASE WHEN entry.created_at < %(at)s THEN halving.high ELSE entry.seq END
    FROM halving
    JOIN vendor_entries AS entry ON entry.vendor_id = %(vendor_id)s AND entry.seq = (halving.low + halving.high) / 2
    WHERE halving.high - halving.low > 1
)
SELECT min(high) - 1
FROM halving
"""

LAST_SEQ = "SELECT last_seq FROM vendors WHERE id = %(vendor_id)s"


async def last_seq_before(connection: Connection, vendor_id: int, at: datetime | None) -> int:
    """Return the number of a vendor's last entry before a time (None: of its last entry), 0 without one.

    Times never run backwards along a ledger and its numbers have no gap, so halving finds it in a few look-ups by the primary key, and no
    index by time has to be kept for every entry that is written.
    """
    cursor = await connection.execute(LAST_SEQ if at is None else LAST_SEQ_BEFORE, {"vendor_id": vendor_id, "at": at})
    row = await cursor.fetchone()
    return int(row[0]) if row is not None and row[0] is not None else 0


GET_ENTRIES = """
SELECT vendor_id, seq, amount, balance_after, kind, reference, created_at, hash
FROM vendor_entries
WHERE vendor_id = %(vendor_id)s AND seq = ANY(%(seqs)s::bigint[])
ORDER BY seq
"""


async def get_entries(connection: Connection, vendor_id: int, seqs: Sequence[int]) -> list[Entry]:
    """Return the entries of one vendor with these numbers, in order."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(GET_ENTRIES, {"vendor_id": vendor_id, "seqs": int_array(seqs)})
        return await cursor.fetchall()
