"""Read reversals."""

from collections.abc import Sequence
from operator import attrgetter

from services.customer_charge.domain.reversals import Reversal
from services.customer_charge.storage import reversals
from shared.cells import Cells, merged
from shared.database import Database
from shared.errors import NotFound


async def get_reversal(cells: Cells, reversal_id: str, visible_vendors: Sequence[int] | None) -> Reversal:
    """Return one reversal of the visible vendors' charges (None: all). Raises NotFound, also for one that is not visible."""

    async def look(database: Database) -> Reversal | None:
        async with database.reading() as connection:
            return await reversals.get_reversal(connection, reversal_id, visible_vendors)

    reversal = await cells.find(look, cells.of_some(visible_vendors))
    if reversal is None:
        raise NotFound.of("reversal", reversal_id)
    return reversal


async def list_reversals(
    cells: Cells, *, before_id: str, vendor_ids: Sequence[int] | None, charge_id: str | None, state: int, limit: int
) -> list[Reversal]:
    """Return up to `limit` reversals, newest first, below `before_id`; None, None and 0 leave a filter out."""

    async def page(database: Database) -> list[Reversal]:
        async with database.reading() as connection:
            return await reversals.list_reversals(
                connection, before_id=before_id, vendor_ids=vendor_ids, charge_id=charge_id, state=state, limit=limit
            )

    pages = await cells.gather(page, cells.of_some(vendor_ids))
    return merged(pages, key=attrgetter("id"), newest_first=True, limit=limit)
