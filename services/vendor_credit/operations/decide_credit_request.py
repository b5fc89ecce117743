"""Approve, reject or cancel a credit request: a decision that is durable when answered, and the only one ever made."""

from services.vendor_credit.domain.credit_requests import ApprovalRules, CreditRequest, RequestState, approval_needed, end_needed
from services.vendor_credit.domain.ledger import MAX_BALANCE, Account
from services.vendor_credit.domain.stops import refuse_if_stopped
from services.vendor_credit.storage import accounts, approvals, credit_requests
from services.vendor_credit.storage.decision_log import log_decision
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection
from shared.errors import FailedPrecondition, NotFound


async def approve_credit_request(
    cells: Cells,
    request_id: int,
    approver: str,
    *,
    four_eyes: bool,
    second_approval_above: int = 0,
    approval_limit: int | None = None,
) -> CreditRequest:
    """Approve a request and return it: approved, or still pending where a second operator must approve too.

    Approving again changes nothing. Posting follows, by the worker or by the next debit. `approval_limit` is the approver's own, in minor
    units, None for none. Raises NotFound, Conflict (REQUEST_DECIDED), FailedPrecondition (FOUR_EYES, BALANCE_CAP,
    ACCOUNT_STOPPED), PermissionDenied (APPROVAL_LIMIT).
    """
    rules = ApprovalRules(four_eyes, second_approval_above)

    async def work(connection: Connection) -> CreditRequest:
        current, account = await _locked(connection, request_id)
        if not approval_needed(current, approver, rules=rules, approval_limit=approval_limit):
            return current
        refuse_if_stopped(account)
        await _refuse_beyond_cap(connection, account, current)
        approvers = {each.approved_by for each in (await approvals.approvals_of(connection, [request_id]))[request_id]}
        now = utc_now()
        if approver not in approvers:
            await approvals.insert_approval(connection, request_id, approver, now)
            await log_decision(connection, at=now, actor=approver, action="approve_credit_request", request=current)
        if rules.complete(current.amount, approvers | {approver}):
            await credit_requests.decide_request(connection, request_id, RequestState.APPROVED, approver, None, now)
        return await _existing(connection, request_id)

    return await cells.of(request_id).transact(work)


async def reject_credit_request(cells: Cells, request_id: int, operator: str, reason: str) -> CreditRequest:
    """Reject a request; rejecting again changes nothing. Raises NotFound, Conflict (REQUEST_DECIDED)."""
    return await _end(cells, request_id, RequestState.REJECTED, operator, reason, None)


async def cancel_credit_request(
    cells: Cells, request_id: int, principal: str, reason: str | None, visible_vendors: list[int] | None
) -> CreditRequest:
    """Withdraw a request of one of the visible vendors (None: any); cancelling again changes nothing.

    Raises NotFound, also for a request that is not visible, and Conflict (REQUEST_DECIDED).
    """
    return await _end(cells, request_id, RequestState.CANCELLED, principal, reason, visible_vendors)


_ACTIONS = {RequestState.REJECTED: "reject_credit_request", RequestState.CANCELLED: "cancel_credit_request"}


async def _end(
    cells: Cells, request_id: int, state: RequestState, actor: str, reason: str | None, visible_vendors: list[int] | None
) -> CreditRequest:
    async def work(connection: Connection) -> CreditRequest:
        current, _ = await _locked(connection, request_id, visible_vendors)
        if not end_needed(current, state):
            return current
        now = utc_now()
        await credit_requests.decide_request(connection, request_id, state, actor, reason, now)
        await log_decision(connection, at=now, actor=actor, action=_ACTIONS[state], request=current, reason=reason)
        return await _existing(connection, request_id)

    return await cells.of(request_id).transact(work)


async def _locked(connection: Connection, request_id: int, visible_vendors: list[int] | None = None) -> tuple[CreditRequest, Account]:
    """Return the request as it is under its lock, and its vendor's account, locked too."""
    request = await _existing(connection, request_id, visible_vendors)
    # The lock order is vendors, then requests, as in a debit; a request never changes its vendor, so an unlocked read names it.
    locked = await accounts.lock_accounts(connection, [request.vendor_id])
    current = await credit_requests.lock_request(connection, request_id)
    if current is None:
        raise NotFound.of("credit request", request_id)
    return current, locked[request.vendor_id]


async def _refuse_beyond_cap(connection: Connection, account: Account, request: CreditRequest) -> None:
    """Refuse an approval that could not be posted: an approved request must always fit."""
    promised = await credit_requests.unposted_amount(connection, account.vendor_id)
    if account.balance + promised + request.amount > MAX_BALANCE:
        raise FailedPrecondition(
            f"vendor {account.vendor_id} would hold more than {MAX_BALANCE}",
            reason="BALANCE_CAP",
            metadata={"vendor_id": str(account.vendor_id), "cap": str(MAX_BALANCE)},
        )


async def _existing(connection: Connection, request_id: int, visible_vendors: list[int] | None = None) -> CreditRequest:
    request = await credit_requests.get_request(connection, request_id, visible_vendors)
    if request is None:
        raise NotFound.of("credit request", request_id)
    return request
