"""One service's way to its Postgres schema: pooled connections, and transactions that outlive their caller.

Every transaction here is written so that running it twice is the same as running it once (keyed inserts, compare-and-set). That is
what makes it right to repeat one whose outcome is unknown: a connection that is lost during COMMIT may have committed.
"""

import asyncio
import random
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg import AsyncConnection, AsyncCursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from shared.commit_doubt import WatchedConnection, mark_log
from shared.crash_points import crash_point
from shared.errors import Overloaded, Unavailable

Connection = AsyncConnection[TupleRow]
Cursor = AsyncCursor[TupleRow]
Written = tuple[Cursor, int, str]
"""A statement that was sent, how many rows it must write, and what they are."""

Sync = Callable[[], Awaitable[None]]
"""Sends what is held, waits until all of it was carried out, and raises the first error."""

T = TypeVar("T")

ATTEMPTS = 6
"""Tries of one transaction. With the pauses below they span about a second: longer than a deadlock or a back end's death, shorter than a
caller's patience."""

FIRST_PAUSE_SECONDS = 0.015
POOL_WAIT_SECONDS = 5.0
"""Longest wait for a free connection; beyond it the caller is told to come back."""

RECONNECT_SECONDS = POOL_WAIT_SECONDS
"""How long the pool tries for one connection, with growing pauses, before it starts anew for the next caller. The pool's own five minutes
would let the pauses grow to many times the few seconds that a standby takes to be promoted."""

CONNECTION_DEFAULTS = {
    # Of several hosts, the one that is the primary; of one, nothing that cannot write.
    "target_session_attrs": "read-write",
    # For each host. A machine that is gone answers nothing, not even a refusal.
    "connect_timeout": "5",
    # A machine that is gone with a connection open: noticed while waiting for an answer, and while sending.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""What a connection URL that says nothing else means here; see libpq's connection parameters. Times in seconds, the last in ms."""

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


def expect_rows(cursor: AsyncCursor[Any], rows: int, what: str) -> None:
    """Raise RuntimeError, which rolls the transaction back, unless the statement wrote exactly so many rows."""
    if cursor.rowcount != rows:
        raise RuntimeError(f"{cursor.rowcount} of {rows} {what} were written")


async def _roll_back(connection: Connection, pipeline: psycopg.AsyncPipeline) -> None:
    """Take back what a pipeline did. Whatever fails on the way is nothing new: the caller raises the reason."""
    with suppress(psycopg.Error):
        await pipeline.sync()  # after an error the server skips everything up to the next synchronisation, a ROLLBACK too
    with suppress(psycopg.Error):
        await connection.execute("ROLLBACK")


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
        self._pool: AsyncConnectionPool[WatchedConnection] = AsyncConnectionPool(
            url,
            connection_class=WatchedConnection,
            kwargs={
                **{name: value for name, value in CONNECTION_DEFAULTS.items() if name not in conninfo_to_dict(url)},
                "autocommit": True,
                "options": f"-c search_path={schema}",
                "application_name": application_name,
                "client_encoding": "utf8",  # what binary parameters are written in (shared/sql_arrays.py)
            },
            min_size=min(2, pool_size),
            max_size=pool_size,
            timeout=POOL_WAIT_SECONDS,
            max_waiting=POOL_QUEUE,
            reconnect_timeout=RECONNECT_SECONDS,
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

    def pool_state(self) -> dict[str, int]:
        """Return how many connections are `open`, are `free` and may be at most (`max`), and how many callers are `waiting` for one."""
        stats = self._pool.get_stats()
        names = {"open": "pool_size", "free": "pool_available", "max": "pool_max", "waiting": "requests_waiting"}
        return {name: stats.get(key, 0) for name, key in names.items()}

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
    async def _lend(self) -> AsyncIterator[WatchedConnection]:
        """Lend a connection that was not closed from the other side while it was idle.

        A restarted server leaves the pool full of corpses. The pool's own `check` would wait a second after each of them. A server that
        became read-only is no primary any more: all its connections are given up, and new ones find the new primary.
        """
        while True:
            connection = await self._pool.getconn()
            if not _has_news(connection):
                break
            await connection.close()
            await self._pool.putconn(connection)
        try:
            yield connection
        except psycopg.errors.ReadOnlySqlTransaction:
            await self._pool.drain()
            raise
        finally:
            await self._pool.putconn(connection)

    async def transact(self, work: Callable[[Connection], Awaitable[T]], *, marked: bool = False) -> T:
        """Run `work` in one transaction and return what it returned after COMMIT.

        `marked` says that an earlier transaction, of unknown outcome, may have written what this one finds: then its COMMIT waits for that
        too.

        The transaction runs in a task of its own: a caller that leaves does not tear it, and `close` waits for it. It is repeated on
        errors that a repetition can mend, so `work` must be safe to run again after an unknown outcome.

        Raises Unavailable when the database stays out of reach, and whatever `work` raises (after ROLLBACK).
        """

        async def once(doubtful: bool) -> T:
            async with self._lend() as connection:
                async with connection.transaction():
                    result = await work(connection)
                    crash_point("before_commit", work)
                    if doubtful or marked:
                        await mark_log(connection)
                    connection.listen()
                connection.judge()
            crash_point("after_commit", work)
            return result

        return await self._outliving(once)

    async def transact_pipelined(self, work: Callable[[Connection, Sync], Awaitable[T]]) -> T:
        """Run `work` in one transaction like `transact`, with its statements held back and sent together.

        They leave when rows are fetched or `sync`, the second argument of `work`, is awaited, and errors are raised there; a cursor has its
        row count afterwards. The server still carries them out one by one, and each sees what those before it did. BEGIN travels with
        the first. `work` must end with a fetch or a `sync`, or it would not know what it commits.

        Example:
            async def work(connection: Connection, sync: Sync) -> None:
                updated = await connection.execute(UPDATE_BALANCE, values)
                inserted = await connection.execute(INSERT_ENTRY, values)
                await sync()
                expect_rows(updated, 1, "balances")
                expect_rows(inserted, 1, "entries")
        """

        async def once(doubtful: bool) -> T:
            async with self._lend() as connection:
                connection.hold()
                async with connection.pipeline() as pipeline:
                    await connection.execute("BEGIN")
                    try:
                        result = await work(connection, pipeline.sync)
                    except psycopg.Error:
                        # The server skipped what came after the failure, and with it statements that the driver takes for prepared.
                        await connection.close()
                        raise
                    except BaseException:
                        await _roll_back(connection, pipeline)
                        raise
                    crash_point("before_commit", work)
                    if doubtful:
                        await mark_log(connection)
                    connection.listen()
                    await connection.execute("COMMIT")
                connection.judge()
                crash_point("after_commit", work)
                return result

        return await self._outliving(once)

    async def transact_at_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in one transaction like `transact`, in one round trip: for work that needs no answer to know what it does next.

        Its statements are remembered and leave together once `work` has returned; all of them take effect, or none. Only then have their
        cursors row counts: whoever calls looks at those, and what is to be refused must be refused by the statements. They must not warn:
        a warning cannot be told from one of the COMMIT.
        """

        async def once(doubtful: bool) -> T:
            async with self._lend() as connection:
                connection.note()
                try:
                    result = await work(connection)
                    crash_point("before_commit", work)
                    if doubtful:
                        await mark_log(connection)
                    connection.listen()
                    await connection.carry_out()
                finally:
                    connection.forget()
                connection.judge()
                crash_point("after_commit", work)
                return result

        return await self._outliving(once)

    async def _outliving(self, once: Callable[[bool], Awaitable[T]]) -> T:
        """Run a transaction in a task that a caller who leaves does not take along."""
        task = asyncio.create_task(self._repeated(once))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # the caller may have left: nobody else retrieves it

    async def _repeated(self, once: Callable[[bool], Awaitable[T]]) -> T:
        """Try a transaction until it is done; `once` is told whether an earlier try may have been committed."""
        doubtful = False
        for attempt in range(ATTEMPTS):
            try:
                return await once(doubtful)
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
                log.info("database.repeat", sqlstate=error.sqlstate, attempt=attempt, error=str(error))
                doubtful |= error.sqlstate not in KNOWN_ROLLBACKS
                last = error
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        raise _unreachable() from last


def _unreachable() -> Unavailable:
    return Unavailable("the database is out of reach", reason="DATABASE_UNAVAILABLE", retry_after_seconds=1.0)


def _overloaded() -> Overloaded:
    return Overloaded("too many calls wait for the database", retry_after_seconds=1.0)
