"""Approvals of credit requests: one by each operator."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.vendor_credit.domain.credit_requests import Approval
from shared.database import Connection

INSERT_APPROVAL = """
INSERT INTO credit_request_approvals (request_id, approved_by, approved_at)
VALUES (%(request_id)s, %(approved_by)s, %(approved_at)s)
"""


async def insert_approval(connection: Connection, request_id: int, approved_by: str, approved_at: datetime) -> None:
    """Record an approval. The caller holds the request's lock and has seen that this operator gave none."""
    await connection.execute(INSERT_APPROVAL, {"request_id": request_id, "approved_by": approved_by, "approved_at": approved_at})


APPROVALS_OF = """
SELECT request_id, approved_by, approved_at
FROM credit_request_approvals
WHERE request_id = ANY(%(request_ids)s::bigint[])
ORDER BY request_id, approved_at, approved_by
"""


async def approvals_of(connection: Connection, request_ids: Sequence[int]) -> dict[int, list[Approval]]:
    """Return the approvals of some requests by request id, the first one first; every request has a list."""
    found: dict[int, list[Approval]] = {request_id: [] for request_id in request_ids}
    async with connection.cursor(row_factory=class_row(Approval)) as cursor:
        await cursor.execute(APPROVALS_OF, {"request_ids": list(request_ids)})
        async for approval in cursor:
            found[approval.request_id].append(approval)
    return found
