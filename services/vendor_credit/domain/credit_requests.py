"""The life of a credit request: pending, then approved and confirmed, or rejected, cancelled or expired."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from shared.errors import Conflict, FailedPrecondition, PermissionDenied


class RequestState(IntEnum):
    """The numbers of charging.vendor_credit.v1.CreditRequestState."""

    PENDING = 1
    APPROVED = 2
    CONFIRMED = 3
    REJECTED = 4
    CANCELLED = 5
    EXPIRED = 6


@dataclass(frozen=True, slots=True)
class Approval:
    """One operator's approval of one request."""

    request_id: int
    approved_by: str
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """A vendor's wish for credit; `amount` in minor units, `submitted_by` and `decided_by` are subjects of principals.

    `note` and `evidence_reference` are the vendor's own words, None where it gave none. `approvals` are filled by who reads for callers.
    """

    id: int
    vendor_id: int
    amount: int
    state: int
    reason: str | None
    submitted_by: str
    decided_by: str | None
    created_at: datetime
    updated_at: datetime
    note: str | None = None
    evidence_reference: str | None = None
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """How a deployment wants credit to be approved.

    With `four_eyes` the submitter never approves. Above `second_approval_above`, in minor units, two different operators must; 0 means that
    one is always enough.
    """

    four_eyes: bool = True
    second_approval_above: int = 0

    def approvals_needed(self, amount: int) -> int:
        """Return how many different operators must approve an amount."""
        return 2 if 0 < self.second_approval_above < amount else 1

    def complete(self, amount: int, approvers: Collection[str]) -> bool:
        """Tell whether these different approvers are enough for the amount."""
        return len(approvers) >= self.approvals_needed(amount)


def approval_needed(request: CreditRequest, approver: str, *, rules: ApprovalRules, approval_limit: int | None) -> bool:
    """Tell whether an approval can change anything: False for a request that is approved already.

    `approval_limit` is the approver's own, in minor units, None for none. Raises Conflict (REQUEST_DECIDED) when the request was decided
    otherwise, FailedPrecondition (FOUR_EYES) when the approver submitted it, PermissionDenied (APPROVAL_LIMIT) when it is beyond the limit.
    """
    if request.state in (RequestState.APPROVED, RequestState.CONFIRMED):
        return False
    if request.state != RequestState.PENDING:
        raise _decided(request)
    if rules.four_eyes and approver == request.submitted_by:
        raise FailedPrecondition(
            f"request {request.id} was submitted by the same user; somebody else must approve it",
            reason="FOUR_EYES",
            metadata={"id": str(request.id)},
        )
    if approval_limit is not None and request.amount > approval_limit:
        raise PermissionDenied(
            f"request {request.id} asks for {request.amount}, and this user may approve up to {approval_limit}",
            reason="APPROVAL_LIMIT",
            metadata={"id": str(request.id), "amount": str(request.amount), "approval_limit": str(approval_limit)},
        )
    return True


def end_needed(request: CreditRequest, state: RequestState) -> bool:
    """Tell whether rejecting or cancelling changes anything: False for a request that is in that state already.

    Raises Conflict (REQUEST_DECIDED) when it was decided otherwise.
    """
    if request.state == state:
        return False
    if request.state != RequestState.PENDING:
        raise _decided(request)
    return True


def _decided(request: CreditRequest) -> Conflict:
    state = RequestState(request.state).name.lower()
    return Conflict(f"request {request.id} is already {state}", reason="REQUEST_DECIDED", metadata={"id": str(request.id), "state": state})
