"""Record an action in the audit log of the service that performs it."""

from collections.abc import Mapping
from datetime import datetime

from shared.audit_log import storage
from shared.audit_log.entries import next_entry
from shared.database import Connection

NOTHING: Mapping[str, object] = {}


async def record_action(
    connection: Connection, *, now: datetime, actor: str, action: str, target: str, details: Mapping[str, object] = NOTHING
) -> None:
    """Record an action in the transaction that performs it: neither is there without the other.

    `actor` is the subject of the caller, `action` the verb of the operation, `target` what it was done to (`vendor:3`), `details` what else
    a reader needs to judge it, by name. Never a secret: the log is read by all operators.

    Call it last, and only when something changed: it locks the end of the log, behind which the next action waits until COMMIT.

    Example:
        await record_action(connection, now=now, actor="user:7", action="update_vendor", target="vendor:3", details={"suspended": True})
    """
    head = await storage.lock_head(connection)
    await storage.append_entry(connection, next_entry(head, done_at=now, actor=actor, action=action, target=target, details=details))
