"""Which vendors are stopped, and how far each ledger was checked."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.vendor_credit.domain.ledger import Account, Checkpoint
from shared.database import Connection
from shared.sql_arrays import bytes_array, int_array, time_array

STOP_VENDOR = """
UPDATE vendors
SET stopped_at = %(now)s, stop_reason = %(reason)s
WHERE id = %(vendor_id)s AND stopped_at IS NULL
"""


async def stop_vendor(connection: Connection, vendor_id: int, reason: str, now: datetime) -> bool:
    """Stop a vendor; False when it is stopped already. The caller holds its lock."""
    cursor = await connection.execute(STOP_VENDOR, {"vendor_id": vendor_id, "reason": reason, "now": now})
    return cursor.rowcount == 1


RELEASE_VENDOR = """
UPDATE vendors
SET stopped_at = NULL, stop_reason = NULL
WHERE id = %(vendor_id)s AND stopped_at IS NOT NULL
"""


async def release_vendor(connection: Connection, vendor_id: int) -> bool:
    """Let a stopped vendor go on; False when it was not stopped. The caller holds its lock."""
    cursor = await connection.execute(RELEASE_VENDOR, {"vendor_id": vendor_id})
    return cursor.rowcount == 1


COUNT_STOPPED = "SELECT count(*) FROM vendors WHERE stopped_at IS NOT NULL"


async def count_stopped(connection: Connection) -> int:
    """Return how many vendors are stopped."""
    cursor = await connection.execute(COUNT_STOPPED)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return int(row[0])


READ_CHECKPOINTS = "SELECT vendor_id, seq, balance, hash, entry_at FROM ledger_checkpoints"


async def read_checkpoints(connection: Connection) -> dict[int, Checkpoint]:
    """Return how far each ledger was checked, by vendor; those never checked are left out."""
    async with connection.cursor(row_factory=class_row(Checkpoint)) as cursor:
        await cursor.execute(READ_CHECKPOINTS)
        return {checkpoint.vendor_id: checkpoint for checkpoint in await cursor.fetchall()}


WRITE_CHECKPOINTS = """
INSERT INTO ledger_checkpoints (vendor_id, seq, balance, hash, entry_at)
SELECT item.vendor_id, item.seq, item.balance, item.hash, item.entry_at
FROM unnest(
    %(vendor_ids)s::bigint[], %(seqs)s::bigint[], %(balances)s::bigint[], %(hashes)s::bytea[], %(times)s::timestamptz[]
) AS item (vendor_id, seq, balance, hash, entry_at)
JOIN cell ON true
ON CONFLICT (vendor_id) DO UPDATE
SET seq = excluded.seq, balance = excluded.balance, hash = excluded.hash, entry_at = excluded.entry_at
WHERE ledger_checkpoints.seq < excluded.seq
"""


async def write_checkpoints(connection: Connection, checkpoints: Sequence[Checkpoint]) -> None:
    """Record how far ledgers are whole; a check that was overtaken by a later one moves nothing back."""
    ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.vendor_id)
    await connection.execute(
        WRITE_CHECKPOINTS,
        {
            "vendor_ids": int_array(checkpoint.vendor_id for checkpoint in ordered),
            "seqs": int_array(checkpoint.seq for checkpoint in ordered),
            "balances": int_array(checkpoint.balance for checkpoint in ordered),
            "hashes": bytes_array(checkpoint.hash for checkpoint in ordered),
            "times": time_array(checkpoint.entry_at for checkpoint in ordered),
        },
    )


FORCE_CHECKPOINT = """
INSERT INTO ledger_checkpoints (vendor_id, seq, balance, hash, entry_at)
VALUES (%(vendor_id)s, %(seq)s, %(balance)s, %(hash)s, %(entry_at)s)
ON CONFLICT (vendor_id) DO UPDATE
SET seq = excluded.seq, balance = excluded.balance, hash = excluded.hash, entry_at = excluded.entry_at
"""


async def take_head_as_checked(connection: Connection, head: Account) -> None:
    """Let the next check go on from the head as it is, whatever it is. The caller holds the vendor's lock."""
    await connection.execute(
        FORCE_CHECKPOINT,
        {
            "vendor_id": head.vendor_id,
            "seq": head.last_seq,
            "balance": head.balance,
            "hash": head.last_hash,
            "entry_at": head.last_entry_at,
        },
    )
