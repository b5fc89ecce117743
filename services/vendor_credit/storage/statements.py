"""Statements: ledgers by time, and the end of a period."""

from datetime import datetime

from psycopg.rows import class_row

from services.vendor_credit.domain.ledger import Entry
from services.vendor_credit.domain.statements import BEGINNING, Balance
from shared.database import Connection

LAST_ENTRY_AT = "SELECT last_entry_at FROM vendors WHERE id = %(vendor_id)s"


async def last_entry_at(connection: Connection, vendor_id: int) -> datetime | None:
    """Return the time before which no further entry of the vendor is ever dated; None where there is no such vendor."""
    cursor = await connection.execute(LAST_ENTRY_AT, {"vendor_id": vendor_id})
    row = await cursor.fetchone()
    return None if row is None else row[0]


CLOSE_PERIOD = """
UPDATE vendors
SET last_entry_at = %(stop)s
WHERE id = %(vendor_id)s AND last_entry_at < %(stop)s
"""


async def close_period(connection: Connection, vendor_id: int, stop: datetime) -> None:
    """See to it that no entry of the vendor is ever dated before `stop` from now on.

    Takes the vendor's lock, so it waits for whoever is posting to it. Closing again, or an earlier time, changes nothing.
    """
    await connection.execute(CLOSE_PERIOD, {"vendor_id": vendor_id, "stop": stop})


# Numbers have no gap and times never run backwards, so halving finds the place in as many look-ups by primary key as the number of entries
# has binary digits: no index by time is needed, which every posting would have to keep.
BALANCE_BEFORE = """
WITH RECURSIVE halving (low, high) AS (
    SELECT 0::bigint, last_seq + 1 FROM vendors WHERE id = %(vendor_id)s
    UNION ALL
    SELECT CASE WHEN entry.created_at < %(moment)s THEN entry.seq ELSE halving.low END,
           CASE WHEN entry.created_at < %(moment)s THEN halving.high ELSE entry.seq END
    FROM halving
    JOIN vendor_entries AS entry ON entry.vendor_id = %(vendor_id)s AND entry.seq = (halving.low + halving.high) / 2
    WHERE halving.high - halving.low > 1
)
SELECT halving.low, halving.high, entry.balance_after, entry.hash
FROM halving
LEFT JOIN vendor_entries AS entry ON entry.vendor_id = %(vendor_id)s AND entry.seq = halving.low
ORDER BY halving.high - halving.low
LIMIT 1
"""


async def balance_before(connection: Connection, vendor_id: int, moment: datetime) -> Balance:
    """Return where an existing vendor's ledger stood right before a moment."""
    cursor = await connection.execute(BALANCE_BEFORE, {"vendor_id": vendor_id, "moment": moment})
    row = await cursor.fetchone()
    if row is None or row[1] - row[0] != 1:
        raise RuntimeError(f"the ledger of vendor {vendor_id} has a gap")
    return BEGINNING if row[0] == 0 else Balance(row[0], row[2], bytes(row[3]))


ENTRIES_BETWEEN = """
SELECT vendor_id, seq, amount, balance_after, kind, reference, created_at, hash
FROM vendor_entries
WHERE vendor_id = %(vendor_id)s AND seq > %(after_seq)s AND seq <= %(last_seq)s
ORDER BY seq
LIMIT %(limit)s
"""


async def entries_between(connection: Connection, vendor_id: int, *, after_seq: int, last_seq: int, limit: int) -> list[Entry]:
    """Return up to `limit` entries of a vendor, oldest first, above `after_seq` and up to `last_seq`."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(ENTRIES_BETWEEN, {"vendor_id": vendor_id, "after_seq": after_seq, "last_seq": last_seq, "limit": limit})
        return await cursor.fetchall()
