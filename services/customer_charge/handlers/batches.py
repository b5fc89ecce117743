"""The charges of one bulk call, in and out. Thousands come at once, so what can be done once for all is."""

from collections.abc import Sequence
from datetime import datetime

from charging.customer_charge.v1 import customer_charge_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from services.customer_charge.domain.charges import Charge, ChargeOrder, ChargeState
from services.customer_charge.handlers.charge_messages import charge_message
from services.customer_charge.operations.accept_charges import Accepted
from shared.errors import ChargingError
from shared.times import to_timestamp
from shared.uuid7 import derived_ids


def orders_of(request: pb.BatchIncreaseCreditRequest, call_id: str, principal: str) -> list[ChargeOrder]:
    """Return one order per item, in order. Its id derives from the call's, so a call that is sent again makes the same ones."""
    return [
        ChargeOrder(
            charge_id,
            item.vendor_id,
            item.customer_id,
            item.amount,
            item.idempotency_key,
            principal,
            item.external_id or None,
            dict(metadata) if (metadata := item.metadata) else None,
            item.allow_duplicate,
        )
        for charge_id, item in zip(derived_ids(call_id, len(request.items)), request.items, strict=True)
    ]


def batch_response(results: Sequence[Accepted | ChargingError]) -> pb.BatchIncreaseCreditResponse:
    """Return the wire form of what became of the items, in order."""
    response = pb.BatchIncreaseCreditResponse()
    add = response.results.add
    times: dict[datetime, Timestamp] = {}
    for result in results:
        message = add()
        if isinstance(result, ChargingError):
            message.error.CopyFrom(item_error(result))
            continue
        if result.replayed:
            message.replayed = True
        charge = result.charge
        if charge.state != ChargeState.ACCEPTED:
            message.charge.CopyFrom(charge_message(charge))
            # Ten thousand of them would not fit into one message; the caller has just sent it.
            message.charge.ClearField("metadata")
            continue
        _fill(message.charge, charge)
        if charge.created_at not in times:
            times[charge.created_at] = to_timestamp(charge.created_at)
        message.charge.created_at.CopyFrom(times[charge.created_at])
    return response


def _fill(message: pb.Charge, charge: Charge) -> None:
    """Write what an accepted charge shows; in place, because a message that is made apart is copied."""
    message.id = charge.id
    message.vendor_id = charge.vendor_id
    message.customer_id = charge.customer_id
    message.amount = charge.amount
    message.state = pb.CHARGE_STATE_ACCEPTED
    if charge.external_id is not None:
        message.external_id = charge.external_id


def item_error(error: ChargingError) -> pb.ItemError:
    """Return what the error of one item says."""
    return pb.ItemError(reason=error.reason, message=error.message, code=int(error.code), metadata=error.metadata)
