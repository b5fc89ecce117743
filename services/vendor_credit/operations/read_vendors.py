"""Read vendors and their ledgers."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from services.vendor_credit.domain.ledger import Entry, spread
from services.vendor_credit.storage import accounts, balances, vendors
from services.vendor_credit.storage.vendors import Vendor
from shared.cells import Cells, merged
from shared.database import Database
from shared.errors import NotFound


async def get_vendor(cells: Cells, vendor_id: int) -> Vendor:
    """Return one vendor. Raises NotFound."""
    async with cells.of(vendor_id).reading() as connection:
        vendor = await vendors.get_vendor(connection, vendor_id)
    if vendor is None:
        raise NotFound.of("vendor", vendor_id)
    return vendor


async def list_vendors(cells: Cells, *, after_id: int, search: str = "", limit: int) -> list[Vendor]:
    """Return up to `limit` vendors in id order, above `after_id`, that `search` finds (empty: all)."""

    async def read(database: Database) -> list[Vendor]:
        async with database.reading() as connection:
            return await vendors.list_vendors(connection, after_id=after_id, search=search, limit=limit)

    return merged(await cells.gather(read), key=attrgetter("id"), limit=limit)


async def lookup_vendors(cells: Cells, vendor_ids: Sequence[int]) -> list[int]:
    """Return those of the ids that exist, in id order."""

    async def read(database: Database) -> list[int]:
        async with database.reading() as connection:
            return await vendors.existing_vendors(connection, vendor_ids)

    return sorted(vendor_id for part in await cells.gather(read, cells.of_some(vendor_ids)) for vendor_id in part)


async def list_entries(
    cells: Cells, vendor_id: int, *, before_seq: int, start: datetime | None, stop: datetime | None, limit: int
) -> list[Entry]:
    """Return up to `limit` entries of a vendor, newest first, below `before_seq`, in [start, stop). Raises NotFound."""
    async with cells.of(vendor_id).reading() as connection:
        if not await vendors.existing_vendors(connection, [vendor_id]):
            raise NotFound.of("vendor", vendor_id, "vendor_id")
        return await accounts.list_entries(connection, vendor_id, before_seq=before_seq, start=start, stop=stop, limit=limit)


async def find_entries(cells: Cells, vendor_id: int, reference: str) -> list[Entry]:
    """Return the entries of a vendor with this reference, newest first: one of each kind at most. Raises NotFound."""
    async with cells.of(vendor_id).reading() as connection:
        if not await vendors.existing_vendors(connection, [vendor_id]):
            raise NotFound.of("vendor", vendor_id, "vendor_id")
        return await accounts.find_entries(connection, vendor_id, reference)


async def list_balances(cells: Cells, vendor_id: int, *, start: datetime | None, stop: datetime | None, points: int) -> list[Entry]:
    """Return up to `points` entries of a vendor, oldest first, spread evenly by number.

    The first is the last one before `start`, the last the last one before `stop`. Raises NotFound.
    """
    async with cells.of(vendor_id).reading() as connection:
        if not await vendors.existing_vendors(connection, [vendor_id]):
            raise NotFound.of("vendor", vendor_id, "vendor_id")
        first = await balances.last_seq_before(connection, vendor_id, start) if start is not None else 0
        last = await balances.last_seq_before(connection, vendor_id, stop)
        return await balances.get_entries(connection, vendor_id, spread(max(first, 1), last, points))
