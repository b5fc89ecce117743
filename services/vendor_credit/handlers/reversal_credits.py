"""ReversalCreditService."""

from charging.vendor_credit.v1 import reversal_credit_pb2 as pb
from charging.vendor_credit.v1 import reversal_credit_pb2_grpc

from services.vendor_credit.domain.reversals import ReversalCredit
from services.vendor_credit.operations import read_reversal_credits
from services.vendor_credit.operations.credit_vendors import credit_vendors
from shared.cells import Cells
from shared.interceptors.types import Context

FIRST_REVERSAL_ID = "00000000-0000-0000-0000-000000000000"
MAX_PAGE = 10_000


class ReversalCreditServicer(reversal_credit_pb2_grpc.ReversalCreditServiceServicer):
    """Credits vendors back, and gives the audit the facts."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def CreditVendors(self, request: pb.CreditVendorsRequest, context: Context) -> pb.CreditVendorsResponse:
        """Credit a batch."""
        credits_due = [ReversalCredit(each.reversal_id, each.vendor_id, each.amount) for each in request.credits]
        results = await credit_vendors(self._cells, credits_due)
        return pb.CreditVendorsResponse(
            results=[
                pb.CreditResult(
                    outcome=pb.CreditOutcome.ValueType(result.outcome), balance_after=result.balance_after, reversal_id=each.reversal_id
                )
                for each, result in zip(credits_due, results, strict=True)
            ]
        )

    async def ListReversalCredits(self, request: pb.ListReversalCreditsRequest, context: Context) -> pb.ListReversalCreditsResponse:
        """List credits."""
        found = await read_reversal_credits.list_credits(
            self._cells, after=request.after_reversal_id or FIRST_REVERSAL_ID, limit=request.page_size or MAX_PAGE
        )
        return pb.ListReversalCreditsResponse(credits=[credit_message(each) for each in found])

    async def GetReversalCredits(self, request: pb.GetReversalCreditsRequest, context: Context) -> pb.GetReversalCreditsResponse:
        """Return the credits of some reversals."""
        found = await read_reversal_credits.get_credits(self._cells, list(request.reversal_ids))
        return pb.GetReversalCreditsResponse(credits=[credit_message(each) for each in found])


def credit_message(credit: ReversalCredit) -> pb.ReversalCredit:
    """Return the wire form of a credit."""
    return pb.ReversalCredit(reversal_id=credit.reversal_id, vendor_id=credit.vendor_id, amount=credit.amount)
