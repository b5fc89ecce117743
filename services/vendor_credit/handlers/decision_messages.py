"""The wire form of a decision."""

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb

from services.vendor_credit.domain.debits import Decision


def decision_message(decision: Decision) -> pb.DebitDecision:
    """Return the wire form of a decision."""
    return pb.DebitDecision(
        charge_id=decision.charge_id,
        outcome=pb.DebitOutcome.ValueType(decision.outcome),
        reason=pb.RefusalReason.ValueType(decision.reason),
        available=decision.available,
        shortfall=decision.shortfall,
        vendor_id=decision.vendor_id,
        amount=decision.amount,
        balance_after=decision.balance_after,
    )
