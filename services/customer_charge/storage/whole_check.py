"""What the last check of everything found, and when it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared.database import Connection
from shared.sql_arrays import text_array


@dataclass(frozen=True, slots=True)
class WholeCheck:
    """The last check of everything; `checked_at` is None before the first one. Findings are sentences."""

    checked_at: datetime | None
    findings: list[str]


READ_WHOLE_CHECK = "SELECT checked_at, findings FROM whole_check WHERE id = 0"


async def read_whole_check(connection: Connection) -> WholeCheck:
    """Return the last check of everything."""
    async with connection.cursor(row_factory=class_row(WholeCheck)) as cursor:
        await cursor.execute(READ_WHOLE_CHECK)
        check = await cursor.fetchone()
    if check is None:
        raise RuntimeError("the row of the last check of everything is gone")
    return check


FINISH_WHOLE_CHECK = "UPDATE whole_check SET checked_at = %(now)s, findings = %(findings)s::text[] WHERE id = 0"


async def finish_whole_check(connection: Connection, *, now: datetime, findings: Sequence[str]) -> None:
    """Record when a check of everything ended, and what it found."""
    cursor = await connection.execute(FINISH_WHOLE_CHECK, {"now": now, "findings": text_array(findings)})
    if cursor.rowcount != 1:
        raise RuntimeError("the row of the last check of everything is gone")
