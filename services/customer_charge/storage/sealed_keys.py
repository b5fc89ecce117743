"""Seals: key rows that say that no charge can ever be made with the key."""

from datetime import datetime

from shared.database import Connection

SEAL_KEY = """
INSERT INTO charge_keys (vendor_id, key, state, created_at)
VALUES (%(vendor_id)s, %(key)s, 2, %(now)s)
ON CONFLICT (vendor_id, key) DO NOTHING
"""


async def seal_key(connection: Connection, vendor_id: int, key: str, now: datetime) -> bool:
    """Seal the key if nobody has used or sealed it, and tell whether this transaction did.

    Waits for a transaction that is recording the same key; whoever records it later waits for this one.
    """
    cursor = await connection.execute(SEAL_KEY, {"vendor_id": vendor_id, "key": key, "now": now})
    return cursor.rowcount == 1
