"""Change what an operator may set on a vendor."""

from services.vendor_credit.storage import accounts, vendors
from services.vendor_credit.storage.vendors import Vendor
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import FailedPrecondition, NotFound


async def update_vendor(
    database: Database,
    vendor_id: int,
    *,
    name: str | None,
    credit_limit: int | None,
    suspended: bool | None,
    low_balance_threshold: int | None = None,
) -> Vendor:
    """Change the fields that are not None and return the vendor.

    Raises NotFound, and FailedPrecondition (CREDIT_LIMIT_IN_USE) for a limit, in minor units, below what is already used.
    """

    async def work(connection: Connection) -> Vendor:
        locked = await accounts.lock_accounts(connection, [vendor_id])
        if vendor_id not in locked:
            raise NotFound.of("vendor", vendor_id)
        used = max(0, -locked[vendor_id].balance)
        if credit_limit is not None and credit_limit < used:
            raise FailedPrecondition(
                f"vendor {vendor_id} already uses {used} of its credit limit; {credit_limit} is less",
                reason="CREDIT_LIMIT_IN_USE",
                metadata={"id": str(vendor_id), "used": str(used), "credit_limit": str(credit_limit)},
            )
        before = await _existing(connection, vendor_id)
        wanted = (
            before.name if name is None else name,
            before.credit_limit if credit_limit is None else credit_limit,
            before.suspended if suspended is None else suspended,
            before.low_balance_threshold if low_balance_threshold is None else low_balance_threshold,
        )
        if wanted != (before.name, before.credit_limit, before.suspended, before.low_balance_threshold):
            await vendors.update_vendor(
                connection,
                vendor_id,
                name=wanted[0],
                credit_limit=wanted[1],
                suspended=wanted[2],
                low_balance_threshold=wanted[3],
                now=utc_now(),
            )
        return await _existing(connection, vendor_id)

    return await database.transact(work)


async def _existing(connection: Connection, vendor_id: int) -> Vendor:
    vendor = await vendors.get_vendor(connection, vendor_id)
    if vendor is None:
        raise NotFound.of("vendor", vendor_id)
    return vendor
