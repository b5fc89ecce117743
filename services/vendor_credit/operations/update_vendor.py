"""Change what an operator may set on a vendor."""

from dataclasses import replace

from services.vendor_credit.domain.stops import refuse_if_stopped
from services.vendor_credit.storage import accounts, vendors
from services.vendor_credit.storage.vendors import Vendor
from shared.audit_log.recording import record_action
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection
from shared.errors import FailedPrecondition, NotFound

SETTABLE = ("name", "credit_limit", "suspended", "low_balance_threshold", "duplicate_window_seconds")


async def update_vendor(
    cells: Cells,
    vendor_id: int,
    *,
    name: str | None,
    credit_limit: int | None,
    suspended: bool | None,
    low_balance_threshold: int | None = None,
    duplicate_window_seconds: int | None = None,
    actor: str,
) -> Vendor:
    """Change the fields that are not None and return the vendor. `actor` is the subject of the caller, for the audit log.

    Raises NotFound, and FailedPrecondition: CREDIT_LIMIT_IN_USE for a limit, in minor units, below what is used; ACCOUNT_STOPPED for
    a stopped vendor, which can be suspended and nothing else.
    """

    async def work(connection: Connection) -> Vendor:
        locked = await accounts.lock_accounts(connection, [vendor_id])
        if vendor_id not in locked:
            raise NotFound.of("vendor", vendor_id)
        if any(each is not None for each in (name, credit_limit, low_balance_threshold, duplicate_window_seconds)):
            refuse_if_stopped(locked[vendor_id])
        _refuse_below_use(vendor_id, locked[vendor_id].balance, credit_limit)
        before = await _existing(connection, vendor_id)
        wanted = replace(
            before,
            name=before.name if name is None else name,
            credit_limit=before.credit_limit if credit_limit is None else credit_limit,
            suspended=before.suspended if suspended is None else suspended,
            low_balance_threshold=before.low_balance_threshold if low_balance_threshold is None else low_balance_threshold,
            duplicate_window_seconds=before.duplicate_window_seconds if duplicate_window_seconds is None else duplicate_window_seconds,
        )
        if wanted == before:
            return before
        now = utc_now()
        await vendors.update_vendor(
            connection,
            vendor_id,
            name=wanted.name,
            credit_limit=wanted.credit_limit,
            suspended=wanted.suspended,
            low_balance_threshold=wanted.low_balance_threshold,
            duplicate_window_seconds=wanted.duplicate_window_seconds,
            now=now,
        )
        await record_action(
            connection, now=now, actor=actor, action="update_vendor", target=f"vendor:{vendor_id}", details=_changes(before, wanted)
        )
        return await _existing(connection, vendor_id)

    return await cells.of(vendor_id).transact(work)


def _refuse_below_use(vendor_id: int, balance: int, credit_limit: int | None) -> None:
    used = max(0, -balance)
    if credit_limit is not None and credit_limit < used:
        raise FailedPrecondition(
            f"vendor {vendor_id} already uses {used} of its credit limit; {credit_limit} is less",
            reason="CREDIT_LIMIT_IN_USE",
            metadata={"id": str(vendor_id), "used": str(used), "credit_limit": str(credit_limit)},
        )


def _changes(before: Vendor, after: Vendor) -> dict[str, object]:
    """Return the new values, and the old ones by `<field>_before`."""
    changed = [name for name in SETTABLE if getattr(before, name) != getattr(after, name)]
    return {name: getattr(after, name) for name in changed} | {f"{name}_before": getattr(before, name) for name in changed}


async def _existing(connection: Connection, vendor_id: int) -> Vendor:
    vendor = await vendors.get_vendor(connection, vendor_id)
    if vendor is None:
        raise NotFound.of("vendor", vendor_id)
    return vendor
