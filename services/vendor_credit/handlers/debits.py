"""DebitService."""

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc

from services.vendor_credit.domain.debits import Debit
from services.vendor_credit.handlers.debit_columns import debits_of, decision_columns
from services.vendor_credit.handlers.decision_messages import decision_message
from services.vendor_credit.operations.debit_vendors import debit_vendors
from services.vendor_credit.operations.preview_debits import preview_debits
from shared.cells import Cells
from shared.errors import InvalidArgument
from shared.interceptors.types import Context


class DebitServicer(vendor_credit_pb2_grpc.DebitServiceServicer):
    """Decides debits."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def DebitVendors(self, request: pb.DebitVendorsRequest, context: Context) -> pb.DebitVendorsResponse:
        """Decide a batch, and answer it in the form it was asked in."""
        if request.HasField("columns"):
            columns = request.columns
            made = await debit_vendors(self._cells, debits_of(columns))
            return pb.DebitVendorsResponse(columns=decision_columns(columns.charge_ids, made))
        if not request.debits:
            raise InvalidArgument.of_field("debits", "must have at least one item")
        decisions = await debit_vendors(self._cells, [_debit(each) for each in request.debits])
        return pb.DebitVendorsResponse(decisions=[decision_message(decision) for decision in decisions])

    async def PreviewDebits(self, request: pb.PreviewDebitsRequest, context: Context) -> pb.PreviewDebitsResponse:
        """Tell how a batch would be decided."""
        decisions = await preview_debits(self._cells, [_debit(each) for each in request.debits])
        return pb.PreviewDebitsResponse(decisions=[decision_message(decision) for decision in decisions])


def _debit(message: pb.Debit) -> Debit:
    return Debit(
        message.charge_id, message.vendor_id, message.amount, message.customer_stopped, message.customer_id, message.allow_duplicate
    )
