"""AuditLogService."""

from charging.identity.v1 import identity_pb2 as pb
from charging.identity.v1 import identity_pb2_grpc

from shared.audit_log.entries import GENESIS, LogHead
from shared.audit_log.messages import audit_log_page
from shared.audit_log.reading import verify_audit_log
from shared.database import Database
from shared.interceptors.types import Context


class AuditLogServicer(identity_pb2_grpc.AuditLogServiceServicer):
    """Serves what operators did in this service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListIdentityAuditLog(self, request: pb.ListIdentityAuditLogRequest, context: Context) -> pb.ListIdentityAuditLogResponse:
        """List the log, newest first."""
        entries, token = await audit_log_page([self._database], request)
        return pb.ListIdentityAuditLogResponse(entries=entries, next_page_token=token)

    async def VerifyIdentityAuditLog(
        self, request: pb.VerifyIdentityAuditLogRequest, context: Context
    ) -> pb.VerifyIdentityAuditLogResponse:
        """Check the log."""
        start = LogHead(request.after_seq, bytes.fromhex(request.after_hash)) if request.after_seq else GENESIS
        report = await verify_audit_log(self._database, start)
        return pb.VerifyIdentityAuditLogResponse(
            last_seq=report.head.last_seq, last_hash=report.head.last_hash.hex(), findings=[report.finding] if report.finding else []
        )
