"""Read what is left to do, of charges and of reversals, with what the customers' own cells say of who is stopped.

With one cell that is one statement. With several, a customer may live in another cell than the work: that cell is asked, and where it does
not answer its customers' work is left for later, so that it holds up no other. Nothing read here is locked: whoever acts on it looks again.
"""

from collections.abc import Iterable, Sequence

from services.customer_charge.domain.charges import PendingCharge
from services.customer_charge.domain.reversals import PendingReversal
from services.customer_charge.reach import Reach
from services.customer_charge.storage import pending_charges, pending_reversals, stops
from shared.cells import Cells
from shared.database import Database


async def read_charges_due(cells: Cells, slot: int, *, limit: int, but: Sequence[str] = (), reach: Reach) -> list[PendingCharge]:
    """Return the oldest charges of a slot, without those `but` and those whose customers' cells are out of reach.

    Raises Unavailable when the slot's own cell is.
    """
    if len(cells) == 1:
        async with cells.first.reading() as connection:
            return await pending_charges.read_pending(connection, slot, limit=limit, but=but)
    while True:
        away = _others_away(cells, slot, reach)
        async with cells.of(slot).reading() as connection:
            pending = await pending_charges.read_pending_without(connection, slot, limit=limit, but=but, cells=len(cells), away=away)
        stopped, lost = await _stopped_elsewhere(cells, slot, (charge.customer_id for charge in pending), reach)
        if not lost:  # else it is away now, and what stood behind its customers' charges comes to the front
            return [charge._replace(customer_stopped=True) if charge.customer_id in stopped else charge for charge in pending]


async def read_reversals_due(cells: Cells, cell: int, *, limit: int, reach: Reach) -> list[PendingReversal]:
    """Return the oldest reversals of a cell's vendors, without those that wait for a stopped customer, or for a cell out of reach.

    Raises Unavailable when the cell itself is.
    """
    if len(cells) == 1:
        async with cells.first.reading() as connection:
            return await pending_reversals.read_pending(connection, limit=limit)
    stopped: set[int] = set()
    while True:
        away = _others_away(cells, cell, reach)
        async with cells[cell].reading() as connection:
            pending = await pending_reversals.read_pending_without(connection, limit=limit, stopped=stopped, cells=len(cells), away=away)
        found, lost = await _stopped_elsewhere(cells, cell, (each.customer_id for each in pending), reach)
        if not found and not lost:
            return pending
        stopped |= found


def _others_away(cells: Cells, home: int, reach: Reach) -> list[int]:
    """Return the cells to leave alone, but for the work's own: that is asked in any case."""
    return [cell for cell in reach.away() if cells.apart(cell, home)]


async def _stopped_elsewhere(cells: Cells, home: int, customer_ids: Iterable[int], reach: Reach) -> tuple[set[int], bool]:
    """Return who of the customers in other cells than `home` is stopped, and whether one of these cells did not answer."""
    parts = cells.split({each for each in customer_ids if cells.apart(each, home)}, lambda customer_id: customer_id)

    async def ask(cell: int, database: Database) -> set[int]:
        async with database.reading() as connection:
            return await stops.stopped_among(connection, parts[cell])

    answers = await reach.ask(cells, parts, ask)
    return {customer_id for stopped in answers.values() for customer_id in stopped}, len(answers) < len(parts)
