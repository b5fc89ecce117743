"""The wire form of a charge."""

from charging.customer_charge.v1 import customer_charge_pb2 as pb

from services.customer_charge.domain.charges import Charge, ChargeState
from shared.times import to_timestamp


def charge_message(charge: Charge) -> pb.Charge:
    """Return the wire form of a charge."""
    failure = None
    if charge.failure_reason is not None:
        failure = pb.ChargeFailure(
            reason=pb.FailureReason.ValueType(charge.failure_reason),
            available=charge.available or 0,
            shortfall=charge.shortfall or 0,
        )
    return pb.Charge(
        id=charge.id,
        vendor_id=charge.vendor_id,
        customer_id=charge.customer_id,
        amount=charge.amount,
        state=pb.ChargeState.ValueType(charge.state),
        created_at=to_timestamp(charge.created_at),
        settled_at=to_timestamp(charge.settled_at),
        failure=failure,
        external_id=charge.external_id,
        reversed_amount=charge.reversed_amount if charge.state == ChargeState.SUCCEEDED else None,
        metadata=charge.metadata,
    )
