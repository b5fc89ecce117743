"""Read the audit log and check its chain."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.audit_log import storage
from shared.audit_log.entries import GENESIS, AuditEntry, ChainCheck, LogHead
from shared.cell_numbers import CELLS_MAX
from shared.cells import merged
from shared.database import Database

MAX_SEQ = 2**63 - 1


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


@dataclass(frozen=True, slots=True, order=True)
class LogPlace:
    """A place among the entries of all cells in order of time."""

    done_at: datetime
    cell: int
    seq: int


END = LogPlace(datetime.max.replace(tzinfo=UTC), CELLS_MAX, 0)
"""After the latest entry."""


async def list_audit_logs(cells: Sequence[Database], wanted: LogFilter, *, before: LogPlace, limit: int) -> list[tuple[int, AuditEntry]]:
    """Return up to `limit` entries of the logs of all cells, each with the number of its cell, the latest first, below `before`.

    Entries of different cells are in the order of the clocks of whoever made them. Of one time the one of the higher cell comes first.
    """

    async def read(cell: int) -> list[tuple[int, AuditEntry]]:
        # Of the time of `before`: what this cell has in the order after it.
        before_seq = before.seq if cell == before.cell else MAX_SEQ if cell < before.cell else 0
        async with cells[cell].reading() as connection:
            found = await storage.list_by_time(
                connection,
                before=before.done_at,
                before_seq=before_seq,
                actor=wanted.actor,
                action=wanted.action,
                target=wanted.target,
                limit=limit,
            )
        return [(cell, entry) for entry in found]

    pages = await asyncio.gather(*map(read, range(len(cells))))
    return merged(pages, key=lambda each: (each[1].done_at, each[0], each[1].seq), newest_first=True, limit=limit)


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
