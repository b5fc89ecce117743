"""VendorAuditService."""

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc

from services.vendor_credit.handlers.decision_messages import decision_message
from services.vendor_credit.operations import audit_ledgers
from shared.cells import Cells
from shared.interceptors.types import Context

FIRST_CHARGE_ID = "00000000-0000-0000-0000-000000000000"
MAX_PAGE = 10_000


class VendorAuditServicer(vendor_credit_pb2_grpc.VendorAuditServiceServicer):
    """Gives the audit its facts."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def VerifyVendorLedgers(self, request: pb.VerifyVendorLedgersRequest, context: Context) -> pb.VerifyVendorLedgersResponse:
        """Check every ledger."""
        report = await audit_ledgers.verify_ledgers(self._cells)
        return pb.VerifyVendorLedgersResponse(
            vendors=report.vendors,
            entries=report.totals.entries,
            balance_total=report.balance_total,
            confirmed_credit_total=report.totals.confirmed_credit_total,
            debited_total=report.totals.debited_total,
            reversed_total=report.totals.reversed_total,
            approved_unposted_total=report.totals.approved_unposted_total,
            findings=report.findings,
            broken_vendors=[pb.BrokenVendor(vendor_id=vendor_id, finding=finding) for vendor_id, finding in report.broken],
        )

    async def ListDebits(self, request: pb.ListDebitsRequest, context: Context) -> pb.ListDebitsResponse:
        """List debited charges."""
        page = await audit_ledgers.list_debits(
            self._cells,
            after=request.after_charge_id or FIRST_CHARGE_ID,
            until=request.until_charge_id or audit_ledgers.LAST_CHARGE_ID,
            limit=request.page_size or MAX_PAGE,
        )
        return debits_response(page)

    async def GetDecisions(self, request: pb.GetDecisionsRequest, context: Context) -> pb.GetDecisionsResponse:
        """Return the decisions of some charges."""
        decisions = await audit_ledgers.get_decisions(self._cells, list(request.charge_ids))
        return pb.GetDecisionsResponse(decisions=[decision_message(decision) for decision in decisions])


def debits_response(page: audit_ledgers.DebitsPage) -> pb.ListDebitsResponse:
    """Return the wire form of a page of debits."""
    return pb.ListDebitsResponse(
        debits=[pb.Debit(charge_id=debit.charge_id, vendor_id=debit.vendor_id, amount=debit.amount) for debit in page.debits],
        unposted_charge_ids=page.unposted,
    )
