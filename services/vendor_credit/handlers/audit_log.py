"""AuditLogService."""

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc

from shared.audit_log.entries import GENESIS, LogHead
from shared.audit_log.messages import audit_log_page
from shared.audit_log.reading import verify_audit_log
from shared.cells import Cells
from shared.errors import InvalidArgument
from shared.interceptors.types import Context


class AuditLogServicer(vendor_credit_pb2_grpc.AuditLogServiceServicer):
    """Serves what operators did in this service."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def ListVendorAuditLog(self, request: pb.ListVendorAuditLogRequest, context: Context) -> pb.ListVendorAuditLogResponse:
        """List the log, newest first."""
        entries, token = await audit_log_page(self._cells.all, request)
        return pb.ListVendorAuditLogResponse(entries=entries, next_page_token=token)

    async def VerifyVendorAuditLog(self, request: pb.VerifyVendorAuditLogRequest, context: Context) -> pb.VerifyVendorAuditLogResponse:
        """Check the log of a cell."""
        if request.cell >= len(self._cells):
            raise InvalidArgument.of_field("cell", f"must be below {len(self._cells)}, the number of cells")
        start = LogHead(request.after_seq, bytes.fromhex(request.after_hash)) if request.after_seq else GENESIS
        report = await verify_audit_log(self._cells[request.cell], start)
        return pb.VerifyVendorAuditLogResponse(
            last_seq=report.head.last_seq, last_hash=report.head.last_hash.hex(), findings=[report.finding] if report.finding else []
        )
