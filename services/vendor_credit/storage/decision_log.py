"""What was decided about credit requests, by whom: one entry of the audit log per decision."""

from datetime import datetime

from services.vendor_credit.domain.credit_requests import CreditRequest
from shared.audit_log.recording import record_action
from shared.database import Connection


async def log_decision(
    connection: Connection, *, at: datetime, actor: str, action: str, request: CreditRequest, reason: str | None = None
) -> None:
    """Record a decision about a request in the transaction that makes it. `actor` is the subject of whoever decided."""
    details = {"vendor": request.vendor_id, "amount": request.amount} | ({"reason": reason} if reason else {})
    await record_action(connection, now=at, actor=actor, action=action, target=f"credit_request:{request.id}", details=details)
