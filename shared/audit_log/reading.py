"""Read the audit log and check its chain."""

from dataclasses import dataclass

from shared.audit_log import storage
from shared.audit_log.entries import GENESIS, AuditEntry, ChainCheck, LogHead
from shared.database import Database


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which entries to list; an empty text means any."""

    actor: str = ""
    action: str = ""
    target: str = ""


async def list_audit_log(database: Database, wanted: LogFilter, *, before_seq: int, limit: int) -> list[AuditEntry]:
    """Return up to `limit` entries, newest first, below `before_seq`."""
    async with database.reading() as connection:
        return await storage.list_entries(
            connection, before_seq=before_seq, actor=wanted.actor, action=wanted.action, target=wanted.target, limit=limit
        )


@dataclass(frozen=True, slots=True)
class LogReport:
    """What the log says: its end, and the first broken rule."""

    head: LogHead
    finding: str | None


async def verify_audit_log(database: Database, start: LogHead = GENESIS) -> LogReport:
    """Check numbers and chain in one snapshot, on from an end that was checked before; by default from the first entry."""
    async with database.reading() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        head = await storage.read_head(connection)
        if start.last_seq and await storage.hash_of(connection, start.last_seq) != start.last_hash:
            return LogReport(head, f"audit log entry {start.last_seq}: it is not the one that was checked before")
        check = ChainCheck(start)
        async for entry in storage.stream_entries(connection, after_seq=start.last_seq):
            check.add(entry)
        check.finish(head)
    return LogReport(head, check.finding)
