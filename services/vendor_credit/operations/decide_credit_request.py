"""Approve or reject a credit request: the operator's decision, durable when answered."""

from collections.abc import Callable

from services.vendor_credit.domain.credit_requests import CreditRequest, RequestState, approval_needed, rejection_needed
from services.vendor_credit.domain.ledger import MAX_BALANCE, Account
from services.vendor_credit.storage import accounts, credit_requests
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import FailedPrecondition, NotFound


async def approve_credit_request(database: Database, request_id: int, approver: str, *, four_eyes: bool) -> CreditRequest:
    """Approve a request; approving again changes nothing. Posting follows, by the worker or by the next debit.

    Raises NotFound, Conflict (REQUEST_DECIDED), FailedPrecondition (FOUR_EYES, BALANCE_CAP).
    """
    return await _decide(
        database,
        request_id,
        RequestState.APPROVED,
        approver,
        None,
        lambda request: approval_needed(request, approver, four_eyes=four_eyes),
    )


async def reject_credit_request(database: Database, request_id: int, operator: str, reason: str) -> CreditRequest:
    """Reject a request; rejecting again changes nothing. Raises NotFound, Conflict (REQUEST_DECIDED)."""
    return await _decide(database, request_id, RequestState.REJECTED, operator, reason, rejection_needed)


async def _decide(
    database: Database,
    request_id: int,
    state: RequestState,
    operator: str,
    reason: str | None,
    needed: Callable[[CreditRequest], bool],
) -> CreditRequest:
    async def work(connection: Connection) -> CreditRequest:
        request = await _existing(connection, request_id)
        # The lock order is vendors, then requests, as in a debit; a request never changes its vendor, so an unlocked read names it.
        locked = await accounts.lock_accounts(connection, [request.vendor_id])
        current = await credit_requests.lock_request(connection, request_id)
        if current is None:
            raise NotFound.of("credit request", request_id)
        if not needed(current):
            return current
        if state == RequestState.APPROVED:
            await _refuse_beyond_cap(connection, locked[request.vendor_id], current)
        await credit_requests.decide_request(connection, request_id, state, operator, reason, utc_now())
        return await _existing(connection, request_id)

    return await database.transact(work)


async def _refuse_beyond_cap(connection: Connection, account: Account, request: CreditRequest) -> None:
    """Refuse an approval that could not be posted: an approved request must always fit."""
    promised = await credit_requests.unposted_amount(connection, account.vendor_id)
    if account.balance + promised + request.amount > MAX_BALANCE:
        raise FailedPrecondition(
            f"vendor {account.vendor_id} would hold more than {MAX_BALANCE}",
            reason="BALANCE_CAP",
            metadata={"vendor_id": str(account.vendor_id), "cap": str(MAX_BALANCE)},
        )


async def _existing(connection: Connection, request_id: int) -> CreditRequest:
    request = await credit_requests.get_request(connection, request_id)
    if request is None:
        raise NotFound.of("credit request", request_id)
    return request
