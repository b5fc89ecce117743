"""Read reversals."""

from collections.abc import Sequence

from services.customer_charge.domain.reversals import Reversal
from services.customer_charge.storage import reversals
from shared.database import Database
from shared.errors import NotFound


async def get_reversal(database: Database, reversal_id: str, visible_vendors: Sequence[int] | None) -> Reversal:
    """Return one reversal of the visible vendors' charges (None: all). Raises NotFound, also for one that is not visible."""
    async with database.reading() as connection:
        reversal = await reversals.get_reversal(connection, reversal_id, visible_vendors)
    if reversal is None:
        raise NotFound.of("reversal", reversal_id)
    return reversal


async def list_reversals(
    database: Database, *, before_id: str, vendor_ids: Sequence[int] | None, charge_id: str | None, state: int, limit: int
) -> list[Reversal]:
    """Return up to `limit` reversals, newest first, below `before_id`; None, None and 0 leave a filter out."""
    async with database.reading() as connection:
        return await reversals.list_reversals(
            connection, before_id=before_id, vendor_ids=vendor_ids, charge_id=charge_id, state=state, limit=limit
        )
