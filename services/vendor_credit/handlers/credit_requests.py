"""CreditRequestService."""

from collections.abc import Callable
from datetime import timedelta

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc

from services.vendor_credit.domain.credit_requests import ApprovalRules, CreditRequest, RequestState
from services.vendor_credit.operations import read_credit_requests
from services.vendor_credit.operations.decide_credit_request import (
    approve_credit_request,
    cancel_credit_request,
    reject_credit_request,
)
from services.vendor_credit.operations.submit_credit_request import check_credit_request, submit_credit_request
from shared.call import current_call
from shared.cells import Cells
from shared.interceptors.types import Context
from shared.paging import decode_page_token, encode_page_token, page_size_of
from shared.principal import Role
from shared.times import to_timestamp

MAX_INT64 = 2**63 - 1


class CreditRequestServicer(vendor_credit_pb2_grpc.CreditRequestServiceServicer):
    """Serves credit requests."""

    def __init__(self, cells: Cells, *, rules: ApprovalRules, expiry_days: int, wake: Callable[[int], None]) -> None:
        """`wake` takes the id of a vendor whose credit was approved; it must neither wait nor raise. 0 `expiry_days`: none expires."""
        self._cells = cells
        self._rules = rules
        self._expiry_days = expiry_days
        self._wake = wake

    async def SubmitCreditRequest(self, request: pb.SubmitCreditRequestRequest, context: Context) -> pb.SubmitCreditRequestResponse:
        """Record a request once per key, or only check it."""
        if request.dry_run:
            await check_credit_request(self._cells, request.vendor_id)
            return pb.SubmitCreditRequestResponse(status=pb.ACKNOWLEDGEMENT_VALIDATED)
        call = current_call()
        made, replayed = await submit_credit_request(
            self._cells,
            vendor_id=request.vendor_id,
            amount=request.amount,
            principal=call.caller.subject,
            key=call.idempotency_key,
            note=request.note,
            evidence_reference=request.evidence_reference,
            logged_as=call.caller.logged_as,
        )
        if replayed:
            call.mark_replayed()
        return pb.SubmitCreditRequestResponse(data=request_message(made))

    async def ApproveCreditRequest(self, request: pb.ApproveCreditRequestRequest, context: Context) -> pb.ApproveCreditRequestResponse:
        """Approve a request and, where no second approval is needed, wake the worker that posts it."""
        caller = current_call().caller
        approved = await approve_credit_request(
            self._cells,
            request.id,
            caller.subject,
            four_eyes=self._rules.four_eyes,
            second_approval_above=self._rules.second_approval_above,
            approval_limit=caller.approval_limit,
        )
        if approved.state == RequestState.PENDING:
            return pb.ApproveCreditRequestResponse(status=pb.ACKNOWLEDGEMENT_AWAITS_SECOND_APPROVAL)
        self._wake(approved.vendor_id)
        return pb.ApproveCreditRequestResponse(status=pb.ACKNOWLEDGEMENT_ACCEPTED)

    async def RejectCreditRequest(self, request: pb.RejectCreditRequestRequest, context: Context) -> pb.RejectCreditRequestResponse:
        """Reject a request."""
        rejected = await reject_credit_request(self._cells, request.id, current_call().caller.subject, request.reason)
        return pb.RejectCreditRequestResponse(data=request_message(rejected))

    async def CancelCreditRequest(self, request: pb.CancelCreditRequestRequest, context: Context) -> pb.CancelCreditRequestResponse:
        """Withdraw a request."""
        caller = current_call().caller
        cancelled = await cancel_credit_request(self._cells, request.id, caller.subject, request.reason or None, caller.visible_vendors)
        return pb.CancelCreditRequestResponse(data=request_message(cancelled))

    async def GetCreditRequest(self, request: pb.GetCreditRequestRequest, context: Context) -> pb.GetCreditRequestResponse:
        """Return one request."""
        caller = current_call().caller
        found = await read_credit_requests.get_credit_request(self._cells, request.id, caller.visible_vendors)
        return pb.GetCreditRequestResponse(data=self._whole_message(found, people=caller.role is Role.OPERATOR))

    async def ListCreditRequests(self, request: pb.ListCreditRequestsRequest, context: Context) -> pb.ListCreditRequestsResponse:
        """List requests, newest first."""
        caller = current_call().caller
        limit = page_size_of(request.page_size)
        (before_id,) = decode_page_token(request.page_token, int) or (MAX_INT64,)
        found = await read_credit_requests.list_credit_requests(
            self._cells,
            before_id=int(before_id),
            vendor_ids=[request.vendor_id] if request.vendor_id else caller.visible_vendors,
            state=request.state,
            limit=limit + 1,
        )
        token = encode_page_token(found[limit - 1].id) if len(found) > limit else ""
        people = caller.role is Role.OPERATOR
        return pb.ListCreditRequestsResponse(
            credit_requests=[self._whole_message(each, people=people) for each in found[:limit]], next_page_token=token
        )

    def _whole_message(self, request: CreditRequest, *, people: bool) -> pb.CreditRequest:
        """Return the wire form of a request with its approvals and expiry; `people` adds who submitted, approved and decided it."""
        message = request_message(request)
        message.approvals.needed = self._rules.approvals_needed(request.amount)
        for approval in request.approvals:
            message.approvals.given.add(
                approved_at=to_timestamp(approval.approved_at), approved_by=approval.approved_by if people else None
            )
        if self._expiry_days and request.state == RequestState.PENDING:
            message.expires_at.FromDatetime(request.created_at + timedelta(days=self._expiry_days))
        if people:
            message.submitted_by = request.submitted_by
            if request.decided_by is not None:
                message.decided_by = request.decided_by
        return message


def request_message(request: CreditRequest) -> pb.CreditRequest:
    """Return the wire form of what a request says about itself."""
    return pb.CreditRequest(
        id=request.id,
        vendor_id=request.vendor_id,
        amount=request.amount,
        state=pb.CreditRequestState.ValueType(request.state),
        created_at=to_timestamp(request.created_at),
        updated_at=to_timestamp(request.updated_at),
        reason=request.reason,
        note=request.note,
        evidence_reference=request.evidence_reference,
    )
