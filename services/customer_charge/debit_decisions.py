"""What a decision of the vendor ledger means for a charge."""

from charging.vendor_credit.v1 import vendor_credit_pb2

from services.customer_charge.domain.charges import FailureReason, PendingCharge, Verdict

FAILURE_REASONS = {
    vendor_credit_pb2.REFUSAL_REASON_INSUFFICIENT_CREDIT: FailureReason.INSUFFICIENT_CREDIT,
    vendor_credit_pb2.REFUSAL_REASON_VENDOR_SUSPENDED: FailureReason.VENDOR_SUSPENDED,
    vendor_credit_pb2.REFUSAL_REASON_VENDOR_NOT_FOUND: FailureReason.VENDOR_NOT_FOUND,
    vendor_credit_pb2.REFUSAL_REASON_DUPLICATE_CHARGE: FailureReason.DUPLICATE_CHARGE,
    vendor_credit_pb2.REFUSAL_REASON_ACCOUNT_STOPPED: FailureReason.ACCOUNT_STOPPED,
}
"""The vendor ledger's refusal reasons as those of a failed charge."""


def verdict_of(charge: PendingCharge, decision: vendor_credit_pb2.DebitDecision) -> Verdict:
    """Return the verdict; one that is neither debited nor refused for a decision that says neither, or something unknown."""
    balance_after = decision.balance_after if decision.HasField("balance_after") else None
    if decision.outcome == vendor_credit_pb2.DEBIT_OUTCOME_DEBITED:
        return Verdict(charge, debited=True, balance_after=balance_after)
    if decision.outcome == vendor_credit_pb2.DEBIT_OUTCOME_REFUSED and decision.reason in FAILURE_REASONS:
        return Verdict(
            charge,
            debited=False,
            reason=FAILURE_REASONS[decision.reason],
            available=decision.available,
            shortfall=decision.shortfall,
            balance_after=balance_after,
        )
    return Verdict(charge, debited=False)
