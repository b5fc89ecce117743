"""AuditLogService."""

from charging.customer_charge.v1 import customer_charge_pb2 as pb
from charging.customer_charge.v1 import customer_charge_pb2_grpc

from shared.audit_log.messages import audit_log_page
from shared.cells import Cells
from shared.interceptors.types import Context


class AuditLogServicer(customer_charge_pb2_grpc.AuditLogServiceServicer):
    """Serves what operators did in this service."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def ListCustomerAuditLog(self, request: pb.ListCustomerAuditLogRequest, context: Context) -> pb.ListCustomerAuditLogResponse:
        """List the log, newest first."""
        entries, token = await audit_log_page(self._cells.all, request)
        return pb.ListCustomerAuditLogResponse(entries=entries, next_page_token=token)
