"""ChargeService."""

from charging.customer_charge.v1 import customer_charge_pb2 as pb
from charging.customer_charge.v1 import customer_charge_pb2_grpc

from services.customer_charge.acceptor import Acceptor
from services.customer_charge.domain.charges import Charge, ChargeOrder, ChargeState, PendingCharge
from services.customer_charge.dry_runs import DryRuns
from services.customer_charge.handlers.batches import batch_response, item_error, orders_of
from services.customer_charge.handlers.charge_messages import charge_message
from services.customer_charge.handlers.page_tokens import page_token_charge
from services.customer_charge.operations import read_charges
from services.customer_charge.operations.resolve_charge import resolve_charge
from services.customer_charge.settlement_watch import SettlementWatches
from shared.call import Call, current_call
from shared.cells import Cells
from shared.errors import Unavailable
from shared.interceptors.types import Context
from shared.paging import encode_page_token, page_size_of
from shared.times import from_timestamp
from shared.uuid7 import derived_ids

LAST_CHARGE_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

ANSWER_SECONDS = 0.25
"""Time kept back from a wait, so that the answer still arrives before the caller's deadline."""


class ChargeServicer(customer_charge_pb2_grpc.ChargeServiceServicer):
    """Serves charges."""

    def __init__(self, cells: Cells, acceptor: Acceptor, dry_runs: DryRuns, watch: SettlementWatches) -> None:
        self._cells = cells
        self._acceptor = acceptor
        self._dry_runs = dry_runs
        self._watch = watch

    async def IncreaseCredit(self, request: pb.IncreaseCreditRequest, context: Context) -> pb.IncreaseCreditResponse:
        """Accept one charge, and wait for its final state if asked to; or only check it."""
        call = current_call()
        if request.dry_run:
            wanted = PendingCharge(
                call.call_id, request.vendor_id, request.customer_id, request.amount, allow_duplicate=request.allow_duplicate
            )
            (error,) = await self._dry_runs.check([wanted])
            if error is not None:
                raise error
            return pb.IncreaseCreditResponse(status=pb.CHARGE_STATE_VALIDATED)
        notes = request.metadata
        accepted = await self._acceptor.accept(
            ChargeOrder(
                charge_id=call.call_id,
                vendor_id=request.vendor_id,
                customer_id=request.customer_id,
                amount=request.amount,
                key=call.idempotency_key,
                principal=call.caller.subject,
                external_id=request.external_id or None,
                metadata=dict(notes) if notes else None,
                allow_duplicate=request.allow_duplicate,
                known=call.replay,
            )
        )
        if accepted.replayed:
            call.mark_replayed()
        charge = accepted.charge
        if request.wait_seconds and charge.state == ChargeState.ACCEPTED:
            charge = await self._final(charge, request.wait_seconds, call)
        # Who did not ask to wait is told that the charge is accepted, then and at every replay; `data` shows how it stands now.
        status = charge.state if request.wait_seconds else ChargeState.ACCEPTED
        return pb.IncreaseCreditResponse(status=pb.ChargeState.ValueType(status), data=charge_message(charge))

    async def _final(self, charge: Charge, wait_seconds: int, call: Call) -> Charge:
        """Return the charge in its final state if that comes in time, or as it was."""
        if not await self._watch.wait(charge.vendor_id, charge.id, min(wait_seconds, call.remaining_seconds() - ANSWER_SECONDS)):
            return charge
        try:
            return await read_charges.get_charge(self._cells, charge.id, [charge.vendor_id])
        except Unavailable:  # It is accepted, whatever can be read now.
            return charge

    async def BatchIncreaseCredit(self, request: pb.BatchIncreaseCreditRequest, context: Context) -> pb.BatchIncreaseCreditResponse:
        """Accept many charges of one caller, or only check them."""
        call = current_call()
        if request.dry_run:
            return await self._check_batch(request, call)
        orders = orders_of(request, call.call_id, call.caller.subject)
        return batch_response(await self._acceptor.accept_many(orders))

    async def _check_batch(self, request: pb.BatchIncreaseCreditRequest, call: Call) -> pb.BatchIncreaseCreditResponse:
        charges = [
            PendingCharge(charge_id, item.vendor_id, item.customer_id, item.amount, allow_duplicate=item.allow_duplicate)
            for charge_id, item in zip(derived_ids(call.call_id, len(request.items)), request.items, strict=True)
        ]
        results = [
            pb.BatchResult(valid=True) if error is None else pb.BatchResult(error=item_error(error))
            for error in await self._dry_runs.check(charges)
        ]
        return pb.BatchIncreaseCreditResponse(results=results, status=pb.CHARGE_STATE_VALIDATED)

    async def ResolveCharge(self, request: pb.ResolveChargeRequest, context: Context) -> pb.ResolveChargeResponse:
        """Return the charge of a key, final if that was waited for, or seal the key."""
        await self._acceptor.require_vendor(request.vendor_id)
        charge = await resolve_charge(
            self._cells.of(request.vendor_id), request.vendor_id, request.idempotency_key, logged_as=current_call().caller.logged_as
        )
        if charge is not None and request.wait_seconds and charge.state == ChargeState.ACCEPTED:
            charge = await self._final(charge, request.wait_seconds, current_call())
        return pb.ResolveChargeResponse(data=resolved_message(charge))

    async def GetCharge(self, request: pb.GetChargeRequest, context: Context) -> pb.GetChargeResponse:
        """Return one charge."""
        charge = await read_charges.get_charge(self._cells, request.id, current_call().caller.visible_vendors)
        return pb.GetChargeResponse(data=charge_message(charge))

    async def ListCharges(self, request: pb.ListChargesRequest, context: Context) -> pb.ListChargesResponse:
        """List charges, newest first."""
        limit = page_size_of(request.page_size)
        found = await read_charges.list_charges(
            self._cells,
            before_id=page_token_charge(request.page_token) or LAST_CHARGE_ID,
            vendor_ids=[request.vendor_id] if request.vendor_id else current_call().caller.visible_vendors,
            customer_id=request.customer_id,
            state=request.state,
            start=from_timestamp(getattr(request, "from")) if request.HasField("from") else None,
            stop=from_timestamp(request.to) if request.HasField("to") else None,
            external_id=request.external_id,
            limit=limit + 1,
        )
        token = encode_page_token(found[limit - 1].id) if len(found) > limit else ""
        return pb.ListChargesResponse(charges=[charge_message(charge) for charge in found[:limit]], next_page_token=token)


def resolved_message(charge: Charge | None) -> pb.ResolvedCharge:
    """Return the wire form of what a key stands for; None is a sealed one."""
    if charge is None:
        return pb.ResolvedCharge(state=pb.RESOLVED_STATE_SEALED)
    # The fields and states of a charge have the same numbers there.
    return pb.ResolvedCharge.FromString(charge_message(charge).SerializeToString())
