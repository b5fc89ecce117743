"""The audit logs of all services, checked from here: the own one in the database, the others by their services."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

import grpc
from charging.identity.v1 import identity_pb2, identity_pb2_grpc
from charging.vendor_credit.v1 import vendor_credit_pb2, vendor_credit_pb2_grpc

from shared.audit_log.entries import GENESIS, LogHead
from shared.audit_log.reading import verify_audit_log
from shared.auth.peer_tokens import PeerTokenSource
from shared.cell_numbers import schemas_of
from shared.cells import Cells
from shared.errors import Unavailable

NO_HEADS: Mapping[str, LogHead] = {}


@dataclass(frozen=True, slots=True)
class AuditLogState:
    """One service's audit log, or that of one of its cells: its end, and what is broken, one sentence each.

    `service` is the name of the schema: with the number of the cell where there are several.
    """

    service: str
    head: LogHead
    findings: list[str]


class AuditLogs:
    """The logs of the deployment."""

    def __init__(self, cells: Cells, vendor_credit: grpc.aio.Channel, identity: grpc.aio.Channel, tokens: PeerTokenSource) -> None:
        self._cells = cells
        self._vendor_credit = vendor_credit_pb2_grpc.AuditLogServiceStub(vendor_credit)
        self._identity = identity_pb2_grpc.AuditLogServiceStub(identity)
        self._tokens = tokens

    async def check(self, *, timeout_seconds: float, heads: Mapping[str, LogHead] = NO_HEADS) -> list[AuditLogState]:
        """Check every log on from the end in `heads`, by service; from the start where there is none. Raises Unavailable.

        The services in cells have the same number of them.
        """
        found = []
        for name, database in zip(schemas_of("customer_charge", len(self._cells)), self._cells, strict=True):
            own = await verify_audit_log(database, heads.get(name, GENESIS))
            found.append(AuditLogState(name, own.head, [f"{name}: {own.finding}"] if own.finding else []))
        for cell, name in enumerate(schemas_of("vendor_credit", len(self._cells))):
            start = heads.get(name, GENESIS)
            vendor_request = vendor_credit_pb2.VerifyVendorAuditLogRequest(after_seq=start.last_seq, after_hash=_hex(start), cell=cell)
            metadata = self._tokens.metadata("vendor_credit")
            call = self._vendor_credit.VerifyVendorAuditLog(vendor_request, timeout=timeout_seconds, metadata=metadata)
            found.append(await _state(name, call))
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
