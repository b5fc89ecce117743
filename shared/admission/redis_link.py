"""Scripts in Redis for callers that cannot wait: one short time-out, no retry, and a breaker."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path
from typing import TypeVar

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError

from shared.breaker import Breaker
from shared.redis_clients import open_async_redis

ResultT = TypeVar("ResultT")

TIMEOUT_SECONDS = 0.05
"""A script call takes well under a millisecond; ten times its worst case under load is still a delay that no caller notices."""

GRACE_TURNS = 8
"""Turns of the event loop given to an answer that is late by the clock: it may lie in the socket, unread because this process was busy."""


class RedisOutError(Exception):
    """Redis could not be asked, or its answer was no use.

    `asked` is true when something was sent: then whatever was asked may have happened, or may yet happen.
    """

    def __init__(self, message: str, *, asked: bool) -> None:
        super().__init__(message)
        self.asked = asked


class RedisLink:
    """Run one script on one Redis.

    The client of redis-py is left out: its pool, its retries and its records of itself take three times as long as the script. What is
    used of it are its connections, which know URLs, passwords and TLS. A call ends within 50 ms, and after a few failures the breaker
    answers for Redis without asking. A call that was cancelled or failed closes its connection, so that the answer it left behind is never
    taken for another's.
    """

    def __init__(self, url: str, script: Path, *, breaker: Breaker | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._source = script.read_text()
        self._sha = sha1(self._source.encode(), usedforsecurity=False).hexdigest()
        self._breaker = breaker or Breaker("Redis of claims and limits")
        self._timeout_seconds = timeout_seconds
        # Time-outs of redis-py are off: `_bounded` is the only one, and it knows about busy processes. A sentinel that says nothing gets
        # a third of it, so that another can still be asked.
        self._client = open_async_redis(url, sentinel_seconds=timeout_seconds / 3)
        self._idle: list[AbstractConnection] = []

    async def run(self, keys: Sequence[bytes | str], arguments: Sequence[bytes | str | int], read: Callable[[bytes], ResultT]) -> ResultT:
        """Return what `read` makes of the text that the script returns.

        Raises RedisOutError when Redis is down, late, full or read-only, or when `read` raises because its answer is nonsense.
        """
        if not self._breaker.allows():
            raise RedisOutError("the breaker is open", asked=False)
        try:
            answer = await self._bounded(keys, arguments)
            if not isinstance(answer, bytes):
                raise TypeError(f"the script answered with {type(answer).__name__}")
            result = read(answer)
        except (RedisError, OSError, TimeoutError, TypeError, ValueError, IndexError) as error:
            self._breaker.failed(error)
            raise RedisOutError(str(error), asked=True) from error
        self._breaker.succeeded()
        return result

    @property
    def trusted(self) -> bool:
        """Tell whether Redis is believed to work: its breaker is closed."""
        return self._breaker.closed

    async def close(self) -> None:
        """Close all connections."""
        while self._idle:
            await self._idle.pop().disconnect()
        await self._client.aclose()

    async def _bounded(self, keys: Sequence[bytes | str], arguments: Sequence[bytes | str | int]) -> object:
        try:
            async with asyncio.timeout(None) as limit:
                patience = _Patience(limit, self._timeout_seconds)
                try:
                    return await self._evaluate(keys, arguments)
                finally:
                    patience.end()
        except TimeoutError:
            raise TimeoutError(f"no answer within {self._timeout_seconds * 1000:.0f} ms") from None
        except RuntimeError as error:
            # What uvloop raises for a write to a connection that was reset while it lay idle; redis-py does not know it for what it is.
            raise ConnectionResetError(str(error)) from error

    async def _evaluate(self, keys: Sequence[bytes | str], arguments: Sequence[bytes | str | int]) -> object:
        connection = await self._connected()
        try:
            try:
                answer = await _ask(connection, "EVALSHA", self._sha, len(keys), *keys, *arguments)
            except NoScriptError:  # a restart or SCRIPT FLUSH: sent whole once, Redis keeps it again
                answer = await _ask(connection, "EVAL", self._source, len(keys), *keys, *arguments)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._idle.append(connection)
        return answer

    async def _connected(self) -> AbstractConnection:
        """Return a connection that nobody uses, one that lay idle if it is still good."""
        while self._idle:
            idle = self._idle.pop()
            # What an idle connection has to say is that it was closed, or an answer to nobody.
            if not await idle.can_read():
                return idle
            await idle.disconnect(nowait=True)
        connection: AbstractConnection = self._client.connection_pool.make_connection()
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection


async def _ask(connection: AbstractConnection, *command: bytes | str | int) -> object:
    await connection.send_packed_command(connection.pack_command(*command), check_health=False)
    return await connection.read_response()


class _Patience:
    """Ends a wait when its time is over, and some turns of the event loop have not brought the answer either."""

    def __init__(self, limit: asyncio.Timeout, seconds: float) -> None:
        self._limit = limit
        self._turns = GRACE_TURNS
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle = self._loop.call_later(seconds, self._late)

    def end(self) -> None:
        """Let the wait be: it is over."""
        self._handle.cancel()

    def _late(self) -> None:
        if self._turns:
            self._turns -= 1
            self._handle = self._loop.call_soon(self._late)
        else:
            self._limit.reschedule(0)
