"""Create a vendor."""

from services.vendor_credit.storage import vendors, write_keys
from services.vendor_credit.storage.vendors import Vendor
from shared.audit_log.recording import record_action
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection


async def create_vendor(
    cells: Cells,
    *,
    name: str,
    credit_limit: int,
    low_balance_threshold: int = 0,
    duplicate_window_seconds: int = 0,
    principal: str,
    key: str,
) -> tuple[Vendor, bool]:
    """Create a vendor once per (principal, key); return it and whether the key had made it before.

    `credit_limit` and `low_balance_threshold` are in minor units. Raises IdempotencyKeyReused for a key used with other values.
    """

    async def work(connection: Connection) -> tuple[Vendor, bool]:
        now = utc_now()
        vendor_id = await vendors.next_vendor_id(connection)
        made_before = await write_keys.claim_key(
            connection,
            principal=principal,
            method="CreateVendor",
            key=key,
            # Threshold and window are part of the payload only where there is one: keys from before there were any keep their meaning.
            payload={"name": name, "credit_limit": credit_limit}
            | ({"low_balance_threshold": low_balance_threshold} if low_balance_threshold else {})
            | ({"duplicate_window_seconds": duplicate_window_seconds} if duplicate_window_seconds else {}),
            resource_id=vendor_id,
            now=now,
        )
        if made_before is None:
            await vendors.insert_vendor(
                connection,
                vendor_id,
                name=name,
                credit_limit=credit_limit,
                low_balance_threshold=low_balance_threshold,
                duplicate_window_seconds=duplicate_window_seconds,
                now=now,
            )
            details = {
                "name": name,
                "credit_limit": credit_limit,
                "low_balance_threshold": low_balance_threshold,
                "duplicate_window_seconds": duplicate_window_seconds,
            }
            await record_action(connection, now=now, actor=principal, action="create_vendor", target=f"vendor:{vendor_id}", details=details)
        vendor = await vendors.get_vendor(connection, vendor_id if made_before is None else made_before)
        assert vendor is not None  # noqa: S101 - written in this transaction, or committed with its key
        return vendor, made_before is not None

    # By the key, so that a repeated call finds there what the first one made.
    return await cells.of_text(f"{principal} {key}").transact(work)
