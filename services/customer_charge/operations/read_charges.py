"""Read charges."""

from collections.abc import Sequence
from datetime import datetime

from services.customer_charge.domain.charges import Charge
from services.customer_charge.storage import charges
from shared.database import Database
from shared.errors import NotFound


async def get_charge(database: Database, charge_id: str, visible_vendors: Sequence[int] | None) -> Charge:
    """Return one charge of the visible vendors (None: all). Raises NotFound, also for one that is not visible."""
    async with database.reading() as connection:
        found = await charges.get_charges(connection, [charge_id], visible_vendors)
    if charge_id not in found:
        raise NotFound.of("charge", charge_id)
    return found[charge_id]


async def list_charges(
    database: Database,
    *,
    before_id: str,
    vendor_ids: Sequence[int] | None,
    customer_id: int,
    state: int,
    start: datetime | None,
    stop: datetime | None,
    limit: int,
) -> list[Charge]:
    """Return up to `limit` charges, newest first, below `before_id`; None, 0 and None leave a filter out."""
    async with database.reading() as connection:
        return await charges.list_charges(
            connection,
            before_id=before_id,
            vendor_ids=vendor_ids,
            customer_id=customer_id,
            state=state,
            start=start,
            stop=stop,
            limit=limit,
        )
