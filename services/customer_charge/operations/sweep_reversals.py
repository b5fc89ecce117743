"""Settle the reversals that no worker was woken for: lost hints, dead workers, a broker that is down."""

from services.customer_charge.operations.settle_reversals import ReversalLedger, settle_reversals
from services.customer_charge.operations.sweep_charges import OVERDUE
from services.customer_charge.storage import pending_reversals
from shared.clock import utc_now
from shared.database import Database


async def sweep_reversals(database: Database, ledger: ReversalLedger, *, limit: int) -> int:
    """Settle all pending reversals when one is overdue, in this process, whatever broker and locks say; return how many were finished.

    Raises Unavailable.
    """
    async with database.reading() as connection:
        if not await pending_reversals.overdue(connection, utc_now() - OVERDUE, utc_now() + OVERDUE):
            return 0
    return await settle_reversals(database, ledger, limit=limit)
