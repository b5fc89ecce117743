"""Pending charges and what became of them, as the columns of DebitVendors."""

from collections.abc import Sequence
from itertools import repeat

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb

from services.customer_charge.debit_decisions import verdict_of
from services.customer_charge.domain.charges import PendingCharge, Verdict


def columns_of(pending: Sequence[PendingCharge]) -> pb.DebitColumns:
    """Return the charges to decide."""
    return pb.DebitColumns(
        charge_ids="".join([charge.charge_id for charge in pending]),
        vendor_ids=[charge.vendor_id for charge in pending],
        amounts=[charge.amount for charge in pending],
        customer_ids=[charge.customer_id for charge in pending],
        allowed_duplicates=[position for position, charge in enumerate(pending) if charge.allow_duplicate],
        customers_stopped=[position for position, charge in enumerate(pending) if charge.customer_stopped],
    )


def verdicts_of(pending: Sequence[PendingCharge], asked: pb.DebitColumns, answer: pb.DecisionColumns) -> list[Verdict] | None:
    """Return one verdict per charge, in order; None for an answer that does not match the question."""
    balances, positions, others = answer.balances_after, answer.other_positions, answer.others
    if answer.charge_ids != asked.charge_ids or len(balances) != len(pending) or len(positions) != len(others):
        return None
    verdicts = list(map(Verdict, pending, repeat(True), repeat(None), repeat(0), repeat(0), balances))
    for position, decision in zip(positions, others, strict=True):
        if not 0 <= position < len(pending) or decision.charge_id != pending[position].charge_id:
            return None
        verdicts[position] = verdict_of(pending[position], decision)
    return verdicts
