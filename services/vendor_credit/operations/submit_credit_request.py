"""Record that a vendor wants credit."""

from typing import Any, NamedTuple

from services.vendor_credit.domain.credit_requests import CreditRequest
from services.vendor_credit.storage import credit_requests, vendors, write_keys
from shared.audit_log.recording import record_action
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection
from shared.errors import NotFound

METHOD = "SubmitCreditRequest"

NOT_HERE = 0
"""What a key makes whose request is in another cell: no request has this id."""


class WriteName(NamedTuple):
    """What a key of a write is unique by."""

    principal: str
    method: str
    key: str


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
    said = {field: text for field, text in (("note", note), ("evidence_reference", evidence_reference)) if text}
    name = WriteName(principal, METHOD, key)
    payload = {"vendor_id": vendor_id, "amount": amount, **said}

    async def work(connection: Connection) -> tuple[CreditRequest, bool]:
        await _require_vendor(connection, vendor_id)
        now = utc_now()
        request_id = await credit_requests.next_request_id(connection)
        made_before = await write_keys.claim_key(connection, **name._asdict(), payload=payload, resource_id=request_id, now=now)
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

    await _claim_in_cell_of_key(cells, vendor_id, name, payload)
    return await cells.of(vendor_id).transact(work)


async def _claim_in_cell_of_key(cells: Cells, vendor_id: int, name: WriteName, payload: dict[str, Any]) -> None:
    """Record in the cell that the key itself tells what the key is for, where that is not the vendor's own cell.

    Whatever vendor a key is used for, it comes to this one row: of two uses for vendors of two cells, also at the same moment and whoever
    else forgot the key, one is refused. Who dies between this and the request begins again with the same. A missing vendor uses no key up.
    Raises IdempotencyKeyReused and NotFound.
    """
    database = cells.of_text(f"{name.principal} {name.key}")
    if database is cells.of(vendor_id):
        return

    async def work(connection: Connection) -> None:
        await write_keys.claim_key(connection, **name._asdict(), payload=payload, resource_id=NOT_HERE, now=utc_now())

    await check_credit_request(cells, vendor_id)
    await database.transact(work)


async def _require_vendor(connection: Connection, vendor_id: int) -> None:
    if not await vendors.existing_vendors(connection, [vendor_id]):
        raise NotFound.of("vendor", vendor_id, "vendor_id")
