"""Record that a check of both services came to its end."""

from collections.abc import Sequence
from datetime import datetime

from services.customer_charge.storage import books_check
from shared.cells import Cells
from shared.database import Connection

MAX_FINDINGS = 100


async def finish_check(cells: Cells, *, now: datetime, stopped_vendors: int, findings: Sequence[str]) -> None:
    """Record when the check ended and the first hundred of what it found."""

    async def work(connection: Connection) -> None:
        await books_check.finish_check(connection, now=now, stopped_vendors=stopped_vendors, findings=findings[:MAX_FINDINGS])

    await cells.first.transact(work)
