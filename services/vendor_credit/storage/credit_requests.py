"""Credit requests."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.vendor_credit.domain.credit_requests import CreditRequest, RequestState
from shared.database import Connection

NEXT_REQUEST_ID = "SELECT nextval(pg_get_serial_sequence('credit_requests', 'id'))"


async def next_request_id(connection: Connection) -> int:
    """Return an id that no request has."""
    cursor = await connection.execute(NEXT_REQUEST_ID)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - nextval always returns a row
    return int(row[0])


INSERT_REQUEST = """
INSERT INTO credit_requests (id, vendor_id, amount, state, submitted_by, created_at, updated_at, note, evidence_reference)
VALUES (%(id)s, %(vendor_id)s, %(amount)s, 1, %(submitted_by)s, %(now)s, %(now)s, %(note)s, %(evidence_reference)s)
"""


async def insert_request(
    connection: Connection,
    request_id: int,
    vendor_id: int,
    amount: int,
    submitted_by: str,
    now: datetime,
    *,
    note: str | None = None,
    evidence_reference: str | None = None,
) -> None:
    """Add a pending request."""
    values = {"id": request_id, "vendor_id": vendor_id, "amount": amount, "submitted_by": submitted_by, "now": now}
    await connection.execute(INSERT_REQUEST, {**values, "note": note, "evidence_reference": evidence_reference})


GET_REQUEST = """
SELECT id, vendor_id, amount, state, reason, submitted_by, decided_by, created_at, updated_at, note, evidence_reference
FROM credit_requests
WHERE id = %(id)s AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
"""


async def get_request(connection: Connection, request_id: int, visible_vendors: Sequence[int] | None = None) -> CreditRequest | None:
    """Return one request, or None when there is none among the visible vendors (None: all)."""
    async with connection.cursor(row_factory=class_row(CreditRequest)) as cursor:
        await cursor.execute(GET_REQUEST, {"id": request_id, "vendor_ids": visible_vendors})
        return await cursor.fetchone()


LOCK_REQUEST = """
SELECT id, vendor_id, amount, state, reason, submitted_by, decided_by, created_at, updated_at, note, evidence_reference
FROM credit_requests
WHERE id = %(id)s
FOR UPDATE
"""


async def lock_request(connection: Connection, request_id: int) -> CreditRequest | None:
    """Lock one request and return it as it is under the lock. The caller holds its vendor's lock already: vendors first, then requests."""
    async with connection.cursor(row_factory=class_row(CreditRequest)) as cursor:
        await cursor.execute(LOCK_REQUEST, {"id": request_id})
        return await cursor.fetchone()


DECIDE_REQUEST = """
UPDATE credit_requests
SET state = %(state)s, decided_by = %(decided_by)s, reason = %(reason)s, updated_at = %(now)s
WHERE id = %(id)s AND state = 1
"""


async def decide_request(
    connection: Connection, request_id: int, state: RequestState, decided_by: str, reason: str | None, now: datetime
) -> None:
    """Move a pending request, locked by the caller, to what was decided."""
    cursor = await connection.execute(
        DECIDE_REQUEST, {"id": request_id, "state": int(state), "decided_by": decided_by, "reason": reason, "now": now}
    )
    if cursor.rowcount != 1:
        raise RuntimeError(f"request {request_id} was not pending under its lock")


OVERDUE_REQUESTS = """
SELECT id, vendor_id, amount, state, reason, submitted_by, decided_by, created_at, updated_at, note, evidence_reference
FROM credit_requests
WHERE state = 1 AND created_at <= %(created_by)s
ORDER BY created_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
"""


async def lock_overdue_requests(connection: Connection, created_by: datetime, *, limit: int) -> list[CreditRequest]:
    """Lock pending requests of that age and return them.

    Whoever decides one at this moment holds its lock: it is skipped, and either decided or found again by the next sweep. So this waits for
    nobody, and takes no vendor's lock.
    """
    async with connection.cursor(row_factory=class_row(CreditRequest)) as cursor:
        await cursor.execute(OVERDUE_REQUESTS, {"created_by": created_by, "limit": limit})
        return await cursor.fetchall()


EXPIRE_REQUESTS = """
UPDATE credit_requests
SET state = 6, decided_by = %(decided_by)s, updated_at = %(now)s
WHERE id = ANY(%(ids)s::bigint[]) AND state = 1
"""


async def expire_requests(connection: Connection, request_ids: Sequence[int], decided_by: str, now: datetime) -> None:
    """Mark locked pending requests as expired."""
    cursor = await connection.execute(EXPIRE_REQUESTS, {"ids": list(request_ids), "decided_by": decided_by, "now": now})
    if cursor.rowcount != len(request_ids):
        raise RuntimeError(f"{cursor.rowcount} of {len(request_ids)} requests expired")


APPROVED_REQUESTS = """
SELECT id, vendor_id, amount, state, reason, submitted_by, decided_by, created_at, updated_at, note, evidence_reference
FROM credit_requests
WHERE vendor_id = ANY(%(vendor_ids)s::bigint[]) AND state = 2
ORDER BY id
"""


async def approved_requests(connection: Connection, vendor_ids: Sequence[int]) -> list[CreditRequest]:
    """Return approved requests that are not posted. The caller holds the vendors' locks, so none of them can be posted meanwhile."""
    async with connection.cursor(row_factory=class_row(CreditRequest)) as cursor:
        await cursor.execute(APPROVED_REQUESTS, {"vendor_ids": list(vendor_ids)})
        return await cursor.fetchall()


CONFIRM_REQUESTS = """
UPDATE credit_requests
SET state = 3, updated_at = %(now)s
WHERE id = ANY(%(ids)s::bigint[]) AND state = 2
RETURNING id
"""


async def confirm_requests(connection: Connection, request_ids: Sequence[int], now: datetime) -> None:
    """Mark approved requests as posted."""
    cursor = await connection.execute(CONFIRM_REQUESTS, {"ids": list(request_ids), "now": now})
    confirmed = len(await cursor.fetchall())
    if confirmed != len(request_ids):
        raise RuntimeError(f"{confirmed} of {len(request_ids)} requests were confirmed")


UNPOSTED_VENDORS = """
SELECT DISTINCT vendor_id
FROM credit_requests
JOIN vendors ON vendors.id = vendor_id
WHERE state = 2 AND stopped_at IS NULL
ORDER BY vendor_id
LIMIT %(limit)s
"""


async def unposted_vendors(connection: Connection, *, limit: int) -> list[int]:
    """Return vendors that have approved credit not posted yet and are not stopped."""
    cursor = await connection.execute(UNPOSTED_VENDORS, {"limit": limit})
    return [row[0] for row in await cursor.fetchall()]


UNPOSTED_AMOUNT = "SELECT coalesce(sum(amount), 0)::bigint FROM credit_requests WHERE vendor_id = %(vendor_id)s AND state = 2"


async def unposted_amount(connection: Connection, vendor_id: int) -> int:
    """Return the approved amount of one vendor that is not posted yet, in minor units."""
    cursor = await connection.execute(UNPOSTED_AMOUNT, {"vendor_id": vendor_id})
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return int(row[0])


LIST_REQUESTS = """
SELECT id, vendor_id, amount, state, reason, submitted_by, decided_by, created_at, updated_at, note, evidence_reference
FROM credit_requests
WHERE id < %(before_id)s
  AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
  AND (%(state)s = 0 OR state = %(state)s)
ORDER BY id DESC
LIMIT %(limit)s
"""


async def list_requests(
    connection: Connection, *, before_id: int, vendor_ids: Sequence[int] | None, state: int, limit: int
) -> list[CreditRequest]:
    """Return requests, newest first, below `before_id`; of the given vendors (None: all) and in the given state (0: any)."""
    async with connection.cursor(row_factory=class_row(CreditRequest)) as cursor:
        await cursor.execute(LIST_REQUESTS, {"before_id": before_id, "vendor_ids": vendor_ids, "state": state, "limit": limit})
        return await cursor.fetchall()
