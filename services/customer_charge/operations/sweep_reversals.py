"""Settle the reversals that no worker was woken for: lost hints, dead workers, a broker that is down."""

from services.customer_charge.operations.settle_reversals import ReversalLedger, settle_reversals
from services.customer_charge.operations.sweep_charges import OVERDUE
from services.customer_charge.reach import Reach
from services.customer_charge.storage import pending_reversals
from shared.cells import Cells
from shared.clock import utc_now


async def sweep_reversals(cells: Cells, cell: int, ledger: ReversalLedger, *, limit: int, reach: Reach | None = None) -> int:
    """Settle a cell's pending reversals when one is overdue, in this process, whatever broker and locks say; return how many were finished.

    Raises Unavailable. `reach` is what earlier calls learnt of other cells.
    """
    async with cells[cell].reading() as connection:
        if not await pending_reversals.overdue(connection, utc_now() - OVERDUE, utc_now() + OVERDUE):
            return 0
    return await settle_reversals(cells, cell, ledger, limit=limit, reach=reach)
