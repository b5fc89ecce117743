"""One service's way to its Postgres schema: pooled connections, and transactions that outlive their caller.

Every transaction here is written so that running it twice is the same as running it once (keyed inserts, compare-and-set). That is
what makes it right to repeat one whose outcome is unknown: a connection that is lost during COMMIT may have committed.
"""

import asyncio
import random
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from shared.crash_points import crash_point
from shared.errors import Overloaded, Unavailable

Connection = AsyncConnection[TupleRow]
T = TypeVar("T")

ATTEMPTS = 6
"""Tries of one transaction. With the pauses below they span about a second: longer than a deadlock or a back end's death, shorter than a
caller's patience."""

FIRST_PAUSE_SECONDS = 0.015
POOL_WAIT_SECONDS = 5.0
"""Longest wait for a free connection; beyond it the caller is told to come back."""

POOL_QUEUE = 2_000
"""Most callers that wait for a connection at once; a limit on everything."""

KNOWN_ROLLBACKS = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock timeout: certainly rolled back."""

LOST_CONNECTIONS = frozenset({"57P01", "57P02", "57P03", "08000", "08003", "08006", "25006", "53300", None})
"""Terminated, crashed, starting, broken, demoted to read-only or full: the outcome may be unknown. None: the client itself saw the
connection break."""

log = structlog.get_logger(__name__)


def repeatable(error: psycopg.Error) -> bool:
    """Tell whether the transaction that failed so may be run again."""
    if isinstance(error, psycopg.OperationalError | psycopg.InternalError):
        return error.sqlstate in KNOWN_ROLLBACKS or error.sqlstate in LOST_CONNECTIONS
    return False


def _has_news(connection: Connection) -> bool:
    """Tell whether an idle connection's socket holds something. A healthy one has nothing to say; it holds the end of one that died.

    That is one system call for each time a connection is lent, where a question would be a round trip.
    """
    poller = select.poll()
    poller.register(connection.pgconn.socket, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poller.poll(0))


class Database:
    """A pool of autocommit connections whose `search_path` is one schema. `open` it before use and `close` it after."""

    def __init__(self, url: str, schema: str, *, pool_size: int, application_name: str) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=AsyncConnection[TupleRow],
            kwargs={
                "autocommit": True,
                "options": f"-c search_path={schema}",
                "application_name": application_name,
                "connect_timeout": 5,
            },
            min_size=min(2, pool_size),
            max_size=pool_size,
            timeout=POOL_WAIT_SECONDS,
            max_waiting=POOL_QUEUE,
            open=False,
            name=application_name,
        )
        self._running: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Start connecting. Does not wait: a database that comes later is used when it comes."""
        await self._pool.open()

    async def close(self) -> None:
        """Wait for the transactions in flight, then disconnect."""
        while self._running:
            await asyncio.wait(self._running)
        await self._pool.close()

    async def ready(self) -> bool:
        """Tell whether the database answers within a second."""
        try:
            async with asyncio.timeout(1), self._lend() as connection:
                await connection.execute("SELECT 1")
        except (psycopg.Error, PoolTimeout, TimeoutError):
            return False
        return True

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Lend a connection for reads. Raises Unavailable or Overloaded instead of the driver's errors."""
        try:
            async with self._lend() as connection:
                yield connection
        except TooManyRequests as error:
            raise _overloaded() from error
        except PoolTimeout as error:
            raise _unreachable() from error
        except psycopg.Error as error:
            if repeatable(error) or isinstance(error, psycopg.OperationalError):
                raise _unreachable() from error
            raise

    @asynccontextmanager
    async def _lend(self) -> AsyncIterator[Connection]:
        """Lend a connection that was not closed from the other side while it was idle.

        A restarted server leaves the pool full of corpses. The pool's own `check` would wait a second after each of them.
        """
        while True:
            connection = await self._pool.getconn()
            if not _has_news(connection):
                break
            await connection.close()
            await self._pool.putconn(connection)
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)

    async def transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in one transaction and return what it returned after COMMIT.

        The transaction runs in a task of its own: a caller that leaves does not tear it, and `close` waits for it. It is repeated on
        errors that a repetition can mend, so `work` must be safe to run again after an unknown outcome.

        Raises Unavailable when the database stays out of reach, and whatever `work` raises (after ROLLBACK).
        """
        task = asyncio.create_task(self._transact(work))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # the caller may have left: nobody else retrieves it

    async def _transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                async with self._lend() as connection, connection.transaction():
                    result = await work(connection)
                    crash_point("before_commit", work)
                crash_point("after_commit", work)
                return result
            except TooManyRequests as error:
                raise _overloaded() from error
            except PoolTimeout as error:
                raise _unreachable() from error
            except psycopg.Error as error:
                if not repeatable(error):
                    if isinstance(error, psycopg.OperationalError):
                        log.warning("database.refused", sqlstate=error.sqlstate, error=str(error))
                        raise _unreachable() from error
                    raise
                log.info("database.repeat", sqlstate=error.sqlstate, attempt=attempt)
                last = error
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        raise _unreachable() from last


def _unreachable() -> Unavailable:
    return Unavailable("the database is out of reach", reason="DATABASE_UNAVAILABLE", retry_after_seconds=1.0)


def _overloaded() -> Overloaded:
    return Overloaded("too many calls wait for the database", retry_after_seconds=1.0)
