"""The audit log on the wire: what the handlers of all services share."""

from collections.abc import Sequence
from typing import Protocol

from charging.audit.v1 import audit_pb2

from shared.audit_log.entries import AuditEntry
from shared.audit_log.reading import LogFilter, list_audit_log
from shared.database import Database
from shared.paging import decode_page_token, encode_page_token, page_size_of
from shared.times import to_timestamp

MAX_INT64 = 2**63 - 1


class ListRequest(Protocol):
    """The fields that the list requests of all services have."""

    page_size: int
    page_token: str
    actor: str
    action: str
    target: str


async def audit_log_page(database: Database, request: ListRequest) -> tuple[Sequence[audit_pb2.AuditLogEntry], str]:
    """Return the entries of a page and the token of the next one. Raises InvalidArgument."""
    limit = page_size_of(request.page_size)
    (before_seq,) = decode_page_token(request.page_token, int) or (MAX_INT64,)
    wanted = LogFilter(request.actor, request.action, request.target)
    found = await list_audit_log(database, wanted, before_seq=int(before_seq), limit=limit + 1)
    token = encode_page_token(found[limit - 1].seq) if len(found) > limit else ""
    return [entry_message(entry) for entry in found[:limit]], token


def entry_message(entry: AuditEntry) -> audit_pb2.AuditLogEntry:
    """Return the wire form of an entry."""
    return audit_pb2.AuditLogEntry(
        seq=entry.seq,
        done_at=to_timestamp(entry.done_at),
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        details=[audit_pb2.AuditLogDetail(name=name, value=value) for name, value in entry.facts.items()],
        hash=entry.hash.hex(),
    )
