"""DebitService."""

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc

from services.vendor_credit.domain.debits import Debit, Decision
from services.vendor_credit.operations.debit_vendors import debit_vendors
from shared.database import Database
from shared.interceptors.types import Context


class DebitServicer(vendor_credit_pb2_grpc.DebitServiceServicer):
    """Decides debits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def DebitVendors(self, request: pb.DebitVendorsRequest, context: Context) -> pb.DebitVendorsResponse:
        """Decide a batch."""
        debits = [Debit(each.charge_id, each.vendor_id, each.amount) for each in request.debits]
        decisions = await debit_vendors(self._database, debits)
        return pb.DebitVendorsResponse(decisions=[decision_message(decision) for decision in decisions])


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
