"""Tables `audit_log` and `audit_log_head`, which every service's schema has: the SQL. Every function runs in the caller's transaction."""

from collections.abc import AsyncIterator
from datetime import datetime

from psycopg.rows import class_row

from shared.audit_log.entries import AuditEntry, LogHead
from shared.database import Connection

LOCK_HEAD = "SELECT last_seq, last_hash FROM audit_log_head WHERE id = 0 FOR UPDATE"


async def lock_head(connection: Connection) -> LogHead:
    """Lock the end of the log and return it as it is under the lock: entries are numbered and chained one after the other."""
    return await _one_head(connection, LOCK_HEAD)


READ_HEAD = "SELECT last_seq, last_hash FROM audit_log_head WHERE id = 0"


async def read_head(connection: Connection) -> LogHead:
    """Return the end of the log."""
    return await _one_head(connection, READ_HEAD)


async def _one_head(connection: Connection, statement: str) -> LogHead:
    async with connection.cursor(row_factory=class_row(LogHead)) as cursor:
        await cursor.execute(statement)
        head = await cursor.fetchone()
    if head is None:
        raise RuntimeError("the head of the audit log is gone")
    return head


INSERT_ENTRY = """
INSERT INTO audit_log (seq, done_at, actor, action, target, details, hash)
VALUES (%(seq)s, %(done_at)s, %(actor)s, %(action)s, %(target)s, %(details)s, %(hash)s)
"""

MOVE_HEAD = "UPDATE audit_log_head SET last_seq = %(seq)s, last_hash = %(hash)s WHERE id = 0"


async def append_entry(connection: Connection, entry: AuditEntry) -> None:
    """Add an entry and move the head. The caller holds the head's lock."""
    values = {
        "seq": entry.seq,
        "done_at": entry.done_at,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "details": entry.details,
        "hash": entry.hash,
    }
    await connection.execute(INSERT_ENTRY, values)
    cursor = await connection.execute(MOVE_HEAD, {"seq": entry.seq, "hash": entry.hash})
    if cursor.rowcount != 1:
        raise RuntimeError("the head of the audit log is gone")


LIST_ENTRIES = """
SELECT seq, done_at, actor, action, target, details, hash
FROM audit_log
WHERE seq < %(before_seq)s
  AND (%(actor)s = '' OR actor = %(actor)s)
  AND (%(action)s = '' OR action = %(action)s)
  AND (%(target)s = '' OR target = %(target)s)
ORDER BY seq DESC
LIMIT %(limit)s
"""


async def list_entries(connection: Connection, *, before_seq: int, actor: str, action: str, target: str, limit: int) -> list[AuditEntry]:
    """Return entries, newest first, below `before_seq`; an empty text leaves its filter out."""
    async with connection.cursor(row_factory=class_row(AuditEntry)) as cursor:
        await cursor.execute(LIST_ENTRIES, {"before_seq": before_seq, "actor": actor, "action": action, "target": target, "limit": limit})
        return await cursor.fetchall()


LIST_BY_TIME = """
SELECT seq, done_at, actor, action, target, details, hash
FROM audit_log
WHERE (done_at, seq) < (%(before)s, %(before_seq)s)
  AND (%(actor)s = '' OR actor = %(actor)s)
  AND (%(action)s = '' OR action = %(action)s)
  AND (%(target)s = '' OR target = %(target)s)
ORDER BY done_at DESC, seq DESC
LIMIT %(limit)s
"""


async def list_by_time(
    connection: Connection, *, before: datetime, before_seq: int, actor: str, action: str, target: str, limit: int
) -> list[AuditEntry]:
    """Return entries, the latest first, below (`before`, `before_seq`); an empty text leaves its filter out."""
    values = {"before": before, "before_seq": before_seq, "actor": actor, "action": action, "target": target, "limit": limit}
    async with connection.cursor(row_factory=class_row(AuditEntry)) as cursor:
        await cursor.execute(LIST_BY_TIME, values)
        return await cursor.fetchall()


STREAM_ENTRIES = """
SELECT seq, done_at, actor, action, target, details, hash
FROM audit_log
WHERE seq > %(after_seq)s
ORDER BY seq
"""


async def stream_entries(connection: Connection, *, after_seq: int) -> AsyncIterator[AuditEntry]:
    """Yield the entries above `after_seq`, oldest first, a few thousand in memory at a time. Needs a transaction."""
    async with connection.cursor("audit_log", row_factory=class_row(AuditEntry)) as cursor:
        cursor.itersize = 5_000
        await cursor.execute(STREAM_ENTRIES, {"after_seq": after_seq})
        async for entry in cursor:
            yield entry


HASH_OF = "SELECT hash FROM audit_log WHERE seq = %(seq)s"


async def hash_of(connection: Connection, seq: int) -> bytes | None:
    """Return the hash of one entry; None when there is none of this number."""
    cursor = await connection.execute(HASH_OF, {"seq": seq})
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])
