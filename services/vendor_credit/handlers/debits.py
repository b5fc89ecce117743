"""DebitService."""

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc

from services.vendor_credit.domain.debits import Debit, Decision
from services.vendor_credit.operations.debit_vendors import debit_vendors
from services.vendor_credit.operations.preview_debits import preview_debits
from shared.database import Database
from shared.interceptors.types import Context


class DebitServicer(vendor_credit_pb2_grpc.DebitServiceServicer):
    """Decides debits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def DebitVendors(self, request: pb.DebitVendorsRequest, context: Context) -> pb.DebitVendorsResponse:
        """Decide a batch."""
        decisions = await debit_vendors(self._database, [_debit(each) for each in request.debits])
        return pb.DebitVendorsResponse(decisions=[decision_message(decision) for decision in decisions])

    async def PreviewDebits(self, request: pb.PreviewDebitsRequest, context: Context) -> pb.PreviewDebitsResponse:
        """Tell how a batch would be decided."""
        decisions = await preview_debits(self._database, [_debit(each) for each in request.debits])
        return pb.PreviewDebitsResponse(decisions=[decision_message(decision) for decision in decisions])


def _debit(message: pb.Debit) -> Debit:
    return Debit(
        message.charge_id, message.vendor_id, message.amount, message.customer_stopped, message.customer_id, message.allow_duplicate
    )


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
