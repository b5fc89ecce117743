"""ReversalService."""

from collections.abc import Callable

from charging.customer_charge.v1 import reversal_pb2 as pb
from charging.customer_charge.v1 import reversal_pb2_grpc

from services.customer_charge.domain.reversals import Reversal, ReversalOrder, ReversalState
from services.customer_charge.handlers.charges import ANSWER_SECONDS
from services.customer_charge.handlers.page_tokens import page_token_charge
from services.customer_charge.operations import read_reversals
from services.customer_charge.operations.reverse_charge import preview_reversal, reverse_charge
from services.customer_charge.settlement_watch import SettlementWatches
from shared.call import Call, current_call
from shared.cells import Cells
from shared.errors import Unavailable
from shared.interceptors.types import Context
from shared.paging import encode_page_token, page_size_of
from shared.principal import Role
from shared.times import to_timestamp

LAST_REVERSAL_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class ReversalServicer(reversal_pb2_grpc.ReversalServiceServicer):
    """Serves reversals. What tells of a customer's whole balance is shown to operators only."""

    def __init__(self, cells: Cells, watch: SettlementWatches, *, wake: Callable[[int], None]) -> None:
        """`watch` waits for reversals; `wake` tells the workers of one in a cell; it must neither wait nor raise."""
        self._cells = cells
        self._watch = watch
        self._wake = wake

    async def ReverseCharge(self, request: pb.ReverseChargeRequest, context: Context) -> pb.ReverseChargeResponse:
        """Accept one reversal, and wait for its final state if asked to; or only check it."""
        call = current_call()
        caller = call.caller
        order = ReversalOrder(
            reversal_id=call.call_id,
            charge_id=request.id,
            asked_amount=request.amount if request.HasField("amount") else None,
            reason=request.reason,
            key=call.idempotency_key,
            principal=caller.subject,
        )
        if request.dry_run:
            await preview_reversal(self._cells, order, caller.visible_vendors)
            return pb.ReverseChargeResponse(status=pb.REVERSAL_STATE_VALIDATED)
        accepted = await reverse_charge(self._cells, order, caller.visible_vendors, logged_as=caller.logged_as)
        if accepted.replayed:
            call.mark_replayed()
        reversal = accepted.reversal
        if reversal.state == ReversalState.ACCEPTED:
            self._wake(reversal.vendor_id % len(self._cells))
            if request.wait_seconds:
                reversal = await self._final(reversal, request.wait_seconds, call)
        # Who did not ask to wait is told that it is accepted, then and at every replay; `data` shows how it stands now.
        status = reversal.state if request.wait_seconds else ReversalState.ACCEPTED
        return pb.ReverseChargeResponse(
            status=pb.ReversalState.ValueType(status), data=reversal_message(reversal, whole=caller.role is Role.OPERATOR)
        )

    async def _final(self, reversal: Reversal, wait_seconds: int, call: Call) -> Reversal:
        """Return the reversal in its final state if that comes in time, or as it was."""
        if not await self._watch.wait(reversal.vendor_id, reversal.id, min(wait_seconds, call.remaining_seconds() - ANSWER_SECONDS)):
            return reversal
        try:
            return await read_reversals.get_reversal(self._cells, reversal.id, [reversal.vendor_id])
        except Unavailable:  # It is accepted, whatever can be read now.
            return reversal

    async def GetReversal(self, request: pb.GetReversalRequest, context: Context) -> pb.GetReversalResponse:
        """Return one reversal."""
        caller = current_call().caller
        reversal = await read_reversals.get_reversal(self._cells, request.id, caller.visible_vendors)
        return pb.GetReversalResponse(data=reversal_message(reversal, whole=caller.role is Role.OPERATOR))

    async def ListReversals(self, request: pb.ListReversalsRequest, context: Context) -> pb.ListReversalsResponse:
        """List reversals, newest first."""
        caller = current_call().caller
        limit = page_size_of(request.page_size)
        found = await read_reversals.list_reversals(
            self._cells,
            before_id=page_token_charge(request.page_token) or LAST_REVERSAL_ID,
            vendor_ids=[request.vendor_id] if request.vendor_id else caller.visible_vendors,
            charge_id=request.charge_id or None,
            state=request.state,
            limit=limit + 1,
        )
        token = encode_page_token(found[limit - 1].id) if len(found) > limit else ""
        whole = caller.role is Role.OPERATOR
        return pb.ListReversalsResponse(reversals=[reversal_message(each, whole=whole) for each in found[:limit]], next_page_token=token)


def reversal_message(reversal: Reversal, *, whole: bool) -> pb.Reversal:
    """Return the wire form of a reversal; `whole` adds what the customer held when it failed."""
    failure = None
    if reversal.failure_reason is not None:
        failure = pb.ReversalFailure(
            reason=pb.ReversalFailureReason.ValueType(reversal.failure_reason),
            available=reversal.available if whole else None,
            shortfall=reversal.shortfall if whole else None,
        )
    return pb.Reversal(
        id=reversal.id,
        charge_id=reversal.charge_id,
        vendor_id=reversal.vendor_id,
        customer_id=reversal.customer_id,
        amount=reversal.amount,
        reason=reversal.reason,
        state=pb.ReversalState.ValueType(reversal.state),
        created_at=to_timestamp(reversal.created_at),
        settled_at=to_timestamp(reversal.settled_at),
        failure=failure,
    )
