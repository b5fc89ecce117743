"""Expire credit requests that nobody decided in time."""

from datetime import datetime, timedelta

from services.vendor_credit.storage import credit_requests
from services.vendor_credit.storage.decision_log import log_decision
from shared.cells import Cells
from shared.database import Connection, Database

BATCH = 500
"""Most requests expired in one transaction: their locks are held for as long as it takes."""


async def expire_credit_requests(cells: Cells, *, days: int, actor: str, now: datetime) -> int:
    """Expire what was submitted `days` or more before `now` and is still pending; return how many requests expired. 0 days: nothing does.

    Safe to run at any time and several times at once: a request has one outcome, whoever is first. Raises Unavailable for a cell that is
    out of reach, once the others are done.
    """
    if days == 0:
        return 0
    submitted_by = now - timedelta(days=days)
    return sum(await cells.gather(lambda database: _expire_in_cell(database, submitted_by=submitted_by, actor=actor, now=now)))


async def _expire_in_cell(database: Database, *, submitted_by: datetime, actor: str, now: datetime) -> int:
    async def work(connection: Connection) -> int:
        overdue = await credit_requests.lock_overdue_requests(connection, submitted_by, limit=BATCH)
        if overdue:
            await credit_requests.expire_requests(connection, [request.id for request in overdue], actor, now)
        for request in overdue:
            await log_decision(connection, at=now, actor=actor, action="expire_credit_request", request=request)
        return len(overdue)

    expired = 0
    while (done := await database.transact(work)) > 0:
        expired += done
    return expired
