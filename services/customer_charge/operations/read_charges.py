"""Read charges."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter

from services.customer_charge.domain.charges import Charge
from services.customer_charge.storage import charges
from services.customer_charge.storage.detailed_charges import list_charges_by_external_id
from shared.cells import Cells, merged
from shared.database import Database
from shared.errors import NotFound


async def get_charge(cells: Cells, charge_id: str, visible_vendors: Sequence[int] | None) -> Charge:
    """Return one charge of the visible vendors (None: all). Raises NotFound, also for one that is not visible."""

    async def look(database: Database) -> Charge | None:
        async with database.reading() as connection:
            return (await charges.get_charges(connection, [charge_id], visible_vendors)).get(charge_id)

    charge = await cells.find(look, cells.of_some(visible_vendors))
    if charge is None:
        raise NotFound.of("charge", charge_id)
    return charge


async def list_charges(
    cells: Cells,
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

    async def page(database: Database) -> list[Charge]:
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

    pages = await cells.gather(page, cells.of_some(vendor_ids))
    return merged(pages, key=attrgetter("id"), newest_first=True, limit=limit)
