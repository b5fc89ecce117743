"""Record that a vendor wants credit."""

from services.vendor_credit.domain.credit_requests import CreditRequest
from services.vendor_credit.storage import credit_requests, vendors, write_keys
from shared.audit_log.recording import record_action
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import IdempotencyKeyReused, NotFound

METHOD = "SubmitCreditRequest"


async def check_credit_request(cells: Cells, vendor_id: int) -> None:
    """Check what `submit_credit_request` checks of a request with a new key, and record nothing. Raises NotFound for a missing vendor."""
    async with cells.of(vendor_id).reading() as connection:
        await _require_vendor(connection, vendor_id)


async def submit_credit_request(
    cells: Cells,
    *,
    vendor_id: int,
    amount: int,
    principal: str,
    key: str,
    note: str = "",
    evidence_reference: str = "",
    logged_as: str | None = None,
) -> tuple[CreditRequest, bool]:
    """Record a pending request once per (principal, key); return it and whether the key had made it before.

    `amount` is in minor units; `note` and `evidence_reference` are the vendor's own words, or empty; `logged_as` is the operator as whose
    action it is logged, None for anybody else. Raises NotFound for a missing vendor, IdempotencyKeyReused for a key used with other values.
    """
    said = {name: text for name, text in (("note", note), ("evidence_reference", evidence_reference)) if text}

    async def work(connection: Connection) -> tuple[CreditRequest, bool]:
        await _require_vendor(connection, vendor_id)
        now = utc_now()
        request_id = await credit_requests.next_request_id(connection)
        made_before = await write_keys.claim_key(
            connection,
            principal=principal,
            method=METHOD,
            key=key,
            payload={"vendor_id": vendor_id, "amount": amount, **said},
            resource_id=request_id,
            now=now,
        )
        if made_before is None:
            await credit_requests.insert_request(connection, request_id, vendor_id, amount, principal, now, **said)
        request = await credit_requests.get_request(connection, request_id if made_before is None else made_before)
        assert request is not None  # noqa: S101 - written in this transaction, or committed with its key
        if made_before is None and logged_as is not None:
            details = {"vendor": vendor_id, "amount": amount, **said}
            await record_action(
                connection, now=now, actor=logged_as, action="submit_credit_request", target=f"credit_request:{request_id}", details=details
            )
        return request, made_before is not None

    await _refuse_key_of_another_cell(cells, vendor_id, principal, key)
    return await cells.of(vendor_id).transact(work)


async def _refuse_key_of_another_cell(cells: Cells, vendor_id: int, principal: str, key: str) -> None:
    """Raise IdempotencyKeyReused for a key that made a request of a vendor in another cell, Unavailable where that cannot be told.

    The vendor's own cell sees keys used in it, in the transaction. Two first uses at the same moment for vendors of two cells are kept
    apart by the claim of the key before they come here.
    """

    async def look(database: Database) -> bool | None:
        async with database.reading() as connection:
            return await write_keys.is_used(connection, principal=principal, method=METHOD, key=key) or None

    others = [database for database in cells if database is not cells.of(vendor_id)]
    found = await cells.find(look, others) if others else None
    if found:
        raise IdempotencyKeyReused("this idempotency key was used before with another request")


async def _require_vendor(connection: Connection, vendor_id: int) -> None:
    if not await vendors.existing_vendors(connection, [vendor_id]):
        raise NotFound.of("vendor", vendor_id, "vendor_id")
