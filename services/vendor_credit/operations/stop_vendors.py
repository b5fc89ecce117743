"""Stop vendors whose books are broken, and release them when a person has looked."""

from collections.abc import Mapping

import structlog

from services.vendor_credit.storage import accounts, stops, vendors
from services.vendor_credit.storage.vendors import Vendor
from shared.audit_log.recording import record_action
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import NotFound

log = structlog.get_logger(__name__)


async def stop_vendors(cells: Cells, findings: Mapping[int, str], *, actor: str) -> list[int]:
    """Stop the vendors, each for its finding, and return those that this call stopped. Stopped ones and missing ones stay as they are.

    From the commit on a stopped vendor's charges are refused (ACCOUNT_STOPPED) and no credit is posted to it: debits and postings look at
    the row that they lock anyway.
    """
    parts = {cells[cell]: {vendor_id: findings[vendor_id] for vendor_id in part} for cell, part in cells.split(findings, int).items()}
    stopped = await cells.gather(lambda database: stop_vendors_of_cell(database, parts[database], actor=actor), list(parts))
    return [vendor_id for part in stopped for vendor_id in part]


async def stop_vendors_of_cell(database: Database, findings: Mapping[int, str], *, actor: str) -> list[int]:
    """Stop vendors of one cell, like `stop_vendors`."""

    async def work(connection: Connection) -> list[int]:
        now = utc_now()
        locked = await accounts.lock_accounts(connection, findings)
        stopped = [vendor_id for vendor_id in locked if await stops.stop_vendor(connection, vendor_id, findings[vendor_id], now)]
        for vendor_id in stopped:
            details = {"finding": findings[vendor_id]}
            await record_action(connection, now=now, actor=actor, action="stop_vendor", target=f"vendor:{vendor_id}", details=details)
        return stopped

    stopped = await database.transact(work) if findings else []
    for vendor_id in stopped:
        log.error("account.stopped", vendor_id=vendor_id, finding=findings[vendor_id])
    return stopped


async def release_vendor(cells: Cells, vendor_id: int, *, reason: str, actor: str) -> Vendor:
    """Let a stopped vendor go on and return it; one that is not stopped stays as it is. Raises NotFound.

    The next check goes on from the ledger's end as it is now, so that what was looked into stops nothing again; the check of everything
    still reports it.
    """

    async def work(connection: Connection) -> Vendor:
        locked = await accounts.lock_accounts(connection, [vendor_id])
        if vendor_id not in locked:
            raise NotFound.of("vendor", vendor_id)
        if await stops.release_vendor(connection, vendor_id):
            await stops.take_head_as_checked(connection, locked[vendor_id])
            details = {"reason": reason}
            await record_action(
                connection, now=utc_now(), actor=actor, action="release_vendor", target=f"vendor:{vendor_id}", details=details
            )
        vendor = await vendors.get_vendor(connection, vendor_id)
        assert vendor is not None  # noqa: S101 - its row is locked, and vendors are never removed
        return vendor

    return await cells.of(vendor_id).transact(work)


async def count_stopped_vendors(cells: Cells) -> int:
    """Return how many vendors are stopped."""

    async def count(database: Database) -> int:
        async with database.reading() as connection:
            return await stops.count_stopped(connection)

    return sum(await cells.gather(count))
