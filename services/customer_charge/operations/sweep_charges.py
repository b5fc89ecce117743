"""Settle what no worker was woken for: lost hints, dead workers, a broker that is down."""

from datetime import timedelta

import structlog

from services.customer_charge.domain.stalls import Stalls
from services.customer_charge.operations.release_elsewhere import take_on_released
from services.customer_charge.operations.settle_charges import BatchWatch, VendorLedger, settle_slot, unwatched
from services.customer_charge.reach import Reach
from services.customer_charge.storage import pending_charges
from shared.cells import Cells
from shared.clock import utc_now
from shared.errors import ChargingError

OVERDUE = timedelta(seconds=2)
"""Charges younger than this belong to the worker that was just woken; sweeping them too would only do its work twice."""

log = structlog.get_logger(__name__)


async def sweep_charges(
    cells: Cells,
    cell: int,
    ledger: VendorLedger,
    *,
    limit: int,
    stalls: Stalls | None = None,
    watch: BatchWatch = unwatched,
    reach: Reach | None = None,
) -> int:
    """Settle every slot of a cell with overdue work, in this process, whatever broker and locks say; return how many charges were finished.

    With `stalls`, what earlier calls saw, slots are left alone whose worker is only busy: two that settle the same charges slow each other
    down. `watch` is told of each batch. `reach` is what earlier calls learnt of other cells.
    """
    reach = reach or Reach()
    if len(cells) > 1:
        await take_on_released(cells, cell, reach)
    async with cells[cell].reading() as connection:
        overdue = await pending_charges.overdue_slots(connection, utc_now() - OVERDUE, utc_now() + OVERDUE)
    slots = list(overdue) if stalls is None else stalls.look(overdue)
    total = 0
    for slot in slots:
        try:
            finished = await settle_slot(cells, ledger, slot, limit=limit, watch=watch, reach=reach)
        except ChargingError as error:
            log.warning("sweep.postponed", slot=slot, reason=error.reason)
            continue
        total += finished
        if stalls is not None:
            stalls.swept(slot, finished)
    return total
