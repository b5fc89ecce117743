"""Table `operator_log`: what was done to identity, by whom. Rows are never changed."""

from datetime import datetime

from psycopg import AsyncConnection

INSERT_LOG_ENTRY = """
INSERT INTO operator_log (done_at, actor, action, subject)
VALUES (%(done_at)s, %(actor)s, %(action)s, %(subject)s)
"""


async def log_action(connection: AsyncConnection, *, done_at: datetime, actor: str, action: str, subject: str) -> None:
    """Record an action in the transaction that performs it: neither is there without the other.

    `actor` is the subject of the caller, `action` the verb of the operation, `subject` what it was done to.
    """
    await connection.execute(INSERT_LOG_ENTRY, {"done_at": done_at, "actor": actor, "action": action, "subject": subject})
