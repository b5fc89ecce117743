"""A COMMIT that was answered with a warning did not promise what a COMMIT promises.

PostgreSQL says COMMIT also when it stopped waiting for the synchronous standby: a cancelled query or a statement time-out ends the wait
with no more than the WARNING "canceling wait for synchronous replication". The transaction is on one machine then and may go with it, so
its outcome is as unknown as that of a lost connection. Whoever repeats it may find the rows there and have nothing left to write, and a
COMMIT that wrote nothing waits for nobody. So the repetition writes a mark of its own to the log: its COMMIT is answered when the standby
has the mark, and with it everything before.
"""

from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import Diagnostic
from psycopg.pq.abc import PGconn

from shared.held_pipeline import HoldingConnection

WARNING = "WARNING"


class CommitInDoubt(psycopg.OperationalError):
    """COMMIT was answered with a warning: the outcome is unknown, as after a lost connection."""


class WatchedConnection(HoldingConnection):
    """A connection that remembers what the server warned of."""

    def __init__(self, pgconn: PGconn) -> None:
        super().__init__(pgconn)
        self._warnings: list[str] = []
        self.add_notice_handler(self._heard)

    def listen(self) -> None:
        """Forget what was heard so far: only what COMMIT warns of puts it in doubt."""
        self._warnings.clear()

    def judge(self) -> None:
        """Raise CommitInDoubt if there was a warning since `listen`. To be called once COMMIT was answered."""
        if self._warnings:
            raise CommitInDoubt(f"COMMIT was answered with a warning: {'; '.join(self._warnings)}")

    def _heard(self, diagnostic: Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == WARNING:
            self._warnings.append(f"{diagnostic.sqlstate} {diagnostic.message_primary}")


MARK_LOG = "SELECT pg_logical_emit_message(true, 'charging', 'repeated')"


async def mark_log(connection: AsyncConnection[Any]) -> None:
    """Make this transaction one that writes, so that its COMMIT waits until all that is visible to it is as durable as it will be.

    The mark is a few bytes in the write-ahead log and in no table.
    """
    await connection.execute(MARK_LOG)
