"""The audit logs of all services, checked from here: the own one in the database, the others by their services."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

import grpc
from charging.identity.v1 import identity_pb2, identity_pb2_grpc
from charging.vendor_credit.v1 import vendor_credit_pb2, vendor_credit_pb2_grpc

from shared.audit_log.entries import GENESIS, LogHead
from shared.audit_log.reading import verify_audit_log
from shared.auth.peer_tokens import PeerTokenSource
from shared.database import Database
from shared.errors import Unavailable

NO_HEADS: Mapping[str, LogHead] = {}


@dataclass(frozen=True, slots=True)
class AuditLogState:
    """One service's audit log: its end, and what is broken, one sentence each."""

    service: str
    head: LogHead
    findings: list[str]


class AuditLogs:
    """The logs of the deployment."""

    def __init__(self, database: Database, vendor_credit: grpc.aio.Channel, identity: grpc.aio.Channel, tokens: PeerTokenSource) -> None:
        self._database = database
        self._vendor_credit = vendor_credit_pb2_grpc.AuditLogServiceStub(vendor_credit)
        self._identity = identity_pb2_grpc.AuditLogServiceStub(identity)
        self._tokens = tokens

    async def check(self, *, timeout_seconds: float, heads: Mapping[str, LogHead] = NO_HEADS) -> list[AuditLogState]:
        """Check every log on from the end in `heads`, by service; from the start where there is none. Raises Unavailable."""
        own = await verify_audit_log(self._database, heads.get("customer_charge", GENESIS))
        found = [AuditLogState("customer_charge", own.head, [f"customer_charge: {own.finding}"] if own.finding else [])]
        start = heads.get("vendor_credit", GENESIS)
        vendor_request = vendor_credit_pb2.VerifyVendorAuditLogRequest(after_seq=start.last_seq, after_hash=_hex(start))
        metadata = self._tokens.metadata("vendor_credit")
        call = self._vendor_credit.VerifyVendorAuditLog(vendor_request, timeout=timeout_seconds, metadata=metadata)
        found.append(await _state("vendor_credit", call))
        start = heads.get("gateway", GENESIS)
        identity_request = identity_pb2.VerifyIdentityAuditLogRequest(after_seq=start.last_seq, after_hash=_hex(start))
        metadata = self._tokens.metadata("gateway")
        found.append(
            await _state("gateway", self._identity.VerifyIdentityAuditLog(identity_request, timeout=timeout_seconds, metadata=metadata))
        )
        return found


def _hex(head: LogHead) -> str:
    return head.last_hash.hex() if head.last_seq else ""


async def _state(
    service: str, call: Awaitable[vendor_credit_pb2.VerifyVendorAuditLogResponse] | Awaitable[identity_pb2.VerifyIdentityAuditLogResponse]
) -> AuditLogState:
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        raise Unavailable(
            f"the audit log of {service} is out of reach", reason="AUDIT_LOG_UNAVAILABLE", metadata={"service": service}
        ) from error
    findings = [f"{service}: {finding}" for finding in answer.findings]
    return AuditLogState(service, LogHead(answer.last_seq, bytes.fromhex(answer.last_hash)), findings)
