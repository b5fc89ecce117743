"""What was decided about credit requests, by whom: one line per decision."""

from datetime import datetime

import structlog

from services.vendor_credit.domain.credit_requests import CreditRequest
from shared.database import Connection

log = structlog.get_logger(__name__)


async def log_decision(connection: Connection, *, at: datetime, actor: str, action: str, request: CreditRequest) -> None:
    """Record a decision about a request in the transaction that makes it. `actor` is the subject of whoever decided."""
    log.info(action, actor=actor, request_id=request.id, vendor_id=request.vendor_id, amount=request.amount, at=at.isoformat())
