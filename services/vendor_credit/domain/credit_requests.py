"""The life of a credit request: pending, then approved and confirmed, or rejected."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from shared.errors import Conflict, FailedPrecondition


class RequestState(IntEnum):
    """The numbers of charging.vendor_credit.v1.CreditRequestState."""

    PENDING = 1
    APPROVED = 2
    CONFIRMED = 3
    REJECTED = 4


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """A vendor's wish for credit; `amount` in minor units, `submitted_by` and `decided_by` are subjects of principals."""

    id: int
    vendor_id: int
    amount: int
    state: int
    reason: str | None
    submitted_by: str
    decided_by: str | None
    created_at: datetime
    updated_at: datetime


def approval_needed(request: CreditRequest, approver: str, *, four_eyes: bool) -> bool:
    """Tell whether approving changes anything: False for a request that is approved already.

    Raises FailedPrecondition (FOUR_EYES) when the approver submitted it, Conflict (REQUEST_DECIDED) when it was rejected.
    """
    if request.state == RequestState.REJECTED:
        raise _decided(request)
    if request.state != RequestState.PENDING:
        return False
    if four_eyes and approver == request.submitted_by:
        raise FailedPrecondition(
            f"request {request.id} was submitted by the same user; somebody else must approve it",
            reason="FOUR_EYES",
            metadata={"id": str(request.id)},
        )
    return True


def rejection_needed(request: CreditRequest) -> bool:
    """Tell whether rejecting changes anything: False for a request that is rejected already.

    Raises Conflict (REQUEST_DECIDED) when it was approved.
    """
    if request.state in (RequestState.APPROVED, RequestState.CONFIRMED):
        raise _decided(request)
    return request.state == RequestState.PENDING


def _decided(request: CreditRequest) -> Conflict:
    state = RequestState(request.state).name.lower()
    return Conflict(f"request {request.id} is already {state}", reason="REQUEST_DECIDED", metadata={"id": str(request.id), "state": state})
