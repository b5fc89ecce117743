"""What the archive is compared with."""

from datetime import datetime

from shared.database import Connection

COUNT_ENTRIES = """
SELECT count(*), coalesce(sum(amount), 0)::bigint
FROM vendor_entries
WHERE created_at >= %(start)s AND created_at < %(stop)s
"""


async def count_entries(connection: Connection, *, start: datetime, stop: datetime) -> tuple[int, int]:
    """Return how many entries of all vendors are dated into [start, stop), and their sum in minor units. Reads the whole table."""
    cursor = await connection.execute(COUNT_ENTRIES, {"start": start, "stop": stop})
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return row[0], row[1]
