"""Read vendors and their ledgers."""

from collections.abc import Sequence
from datetime import datetime

from services.vendor_credit.domain.ledger import Entry
from services.vendor_credit.storage import accounts, vendors
from services.vendor_credit.storage.vendors import Vendor
from shared.database import Database
from shared.errors import NotFound


async def get_vendor(database: Database, vendor_id: int) -> Vendor:
    """Return one vendor. Raises NotFound."""
    async with database.reading() as connection:
        vendor = await vendors.get_vendor(connection, vendor_id)
    if vendor is None:
        raise NotFound.of("vendor", vendor_id)
    return vendor


async def list_vendors(database: Database, *, after_id: int, limit: int) -> list[Vendor]:
    """Return up to `limit` vendors in id order, above `after_id`."""
    async with database.reading() as connection:
        return await vendors.list_vendors(connection, after_id=after_id, limit=limit)


async def lookup_vendors(database: Database, vendor_ids: Sequence[int]) -> list[int]:
    """Return those of the ids that exist, in id order."""
    async with database.reading() as connection:
        return await vendors.existing_vendors(connection, vendor_ids)


async def list_entries(
    database: Database, vendor_id: int, *, before_seq: int, start: datetime | None, stop: datetime | None, limit: int
) -> list[Entry]:
    """Return up to `limit` entries of a vendor, newest first, below `before_seq`, in [start, stop). Raises NotFound."""
    async with database.reading() as connection:
        if not await vendors.existing_vendors(connection, [vendor_id]):
            raise NotFound.of("vendor", vendor_id, "vendor_id")
        return await accounts.list_entries(connection, vendor_id, before_seq=before_seq, start=start, stop=stop, limit=limit)
