"""Read charges."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from services.customer_charge.domain.charges import Charge
from services.customer_charge.storage import charges
from services.customer_charge.storage.detailed_charges import list_charges_by_external_id
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
    external_id: str,
    limit: int,
) -> list[Charge]:
    """Return up to `limit` charges, newest first, below `before_id`; None, 0, None and an empty text leave a filter out."""
    read = partial(list_charges_by_external_id, external_id=external_id) if external_id else charges.list_charges
    async with database.reading() as connection:
        return await read(
            connection,
            before_id=before_id,
            vendor_ids=vendor_ids,
            customer_id=customer_id,
            state=state,
            start=start,
            stop=stop,
            limit=limit,
        )
