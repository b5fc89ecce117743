"""The audit log on the wire: what the handlers of all services share."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from charging.audit.v1 import audit_pb2

from shared.audit_log.entries import AuditEntry
from shared.audit_log.reading import END, MAX_SEQ, LogFilter, LogPlace, list_audit_log, list_audit_logs
from shared.database import Database
from shared.errors import InvalidArgument
from shared.paging import decode_page_token, encode_page_token, page_size_of
from shared.times import to_timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ListRequest(Protocol):
    """The fields that the list requests of all services have."""

    page_size: int
    page_token: str
    actor: str
    action: str
    target: str


async def audit_log_page(databases: Sequence[Database], request: ListRequest) -> tuple[Sequence[audit_pb2.AuditLogEntry], str]:
    """Return the entries of a page and the token of the next one. `databases` are a service's, one for each cell. Raises InvalidArgument.

    One log is listed by its numbers, several are by time.
    """
    if len(databases) > 1:
        return await _page_of_cells(databases, request)
    limit = page_size_of(request.page_size)
    (before_seq,) = decode_page_token(request.page_token, int) or (MAX_SEQ,)
    wanted = LogFilter(request.actor, request.action, request.target)
    found = await list_audit_log(databases[0], wanted, before_seq=int(before_seq), limit=limit + 1)
    token = encode_page_token(found[limit - 1].seq) if len(found) > limit else ""
    return [entry_message(entry) for entry in found[:limit]], token


async def _page_of_cells(databases: Sequence[Database], request: ListRequest) -> tuple[Sequence[audit_pb2.AuditLogEntry], str]:
    limit = page_size_of(request.page_size)
    place = decode_page_token(request.page_token, int, int, int)
    try:
        before = END if place is None else LogPlace(EPOCH + timedelta(microseconds=int(place[0])), int(place[1]), int(place[2]))
    except OverflowError:
        raise InvalidArgument.of_field("page_token", "is not a token that was given out") from None
    wanted = LogFilter(request.actor, request.action, request.target)
    found = await list_audit_logs(databases, wanted, before=before, limit=limit + 1)
    token = ""
    if len(found) > limit:
        cell, last = found[limit - 1]
        token = encode_page_token((last.done_at - EPOCH) // timedelta(microseconds=1), cell, last.seq)
    return [entry_message(entry, cell) for cell, entry in found[:limit]], token


def entry_message(entry: AuditEntry, cell: int | None = None) -> audit_pb2.AuditLogEntry:
    """Return the wire form of an entry; `cell` is the number of its cell where there are several."""
    return audit_pb2.AuditLogEntry(
        seq=entry.seq,
        done_at=to_timestamp(entry.done_at),
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        details=[audit_pb2.AuditLogDetail(name=name, value=value) for name, value in entry.facts.items()],
        hash=entry.hash.hex(),
        cell=cell,
    )
