"""The wire form of events: one for the feed, for streams and for webhooks."""

from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import events_pb2 as pb

from services.customer_charge.domain.charges import Charge
from services.customer_charge.domain.events import Event, EventType
from shared.times import to_timestamp


def event_message(event: Event) -> pb.Event:
    """Return the wire form of an event: the same for everybody who may see it, and the same for ever."""
    message = pb.Event(
        id=event.name,
        vendor_id=event.vendor_id,
        seq=event.seq,
        type=pb.EventType.ValueType(event.type),
        created_at=to_timestamp(event.created_at),
        vendor_balance=event.vendor_balance,
    )
    if event.charge is not None:
        message.charge.CopyFrom(_charge_message(event.charge))
    elif event.reversal is not None:
        told = event.reversal
        message.reversal.CopyFrom(
            pb.EventReversal(id=told.id, charge_id=told.charge_id, customer_id=told.customer_id, amount=told.amount, reason=told.reason)
        )
    elif event.fact is not None and event.type is EventType.CREDIT_CONFIRMED:
        message.credit.CopyFrom(pb.EventCredit(request_id=event.fact.request_id, amount=event.fact.amount))
    elif event.fact is not None:
        message.low_balance.CopyFrom(pb.EventThreshold(threshold=event.fact.amount))
    return message


def _charge_message(charge: Charge) -> pb.EventCharge:
    failure = None
    if charge.failure_reason is not None:
        failure = charge_pb.ChargeFailure(
            reason=charge_pb.FailureReason.ValueType(charge.failure_reason),
            available=charge.available or 0,
            shortfall=charge.shortfall or 0,
        )
    return pb.EventCharge(
        id=charge.id,
        customer_id=charge.customer_id,
        amount=charge.amount,
        accepted_at=to_timestamp(charge.created_at),
        failure=failure,
        external_id=charge.external_id,
        metadata=charge.metadata,
    )
