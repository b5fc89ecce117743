"""Scripts in Redis for callers that cannot wait: one short time-out, no retry, and a breaker."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path
from typing import TypeVar

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

    The redis-py defaults (ten retries with growing pauses) would hold a call for seconds while Redis is down. Here it ends within 50 ms,
    and after a few failures the breaker answers for Redis without asking. A cancelled or late call closes its connection, so that the
    answer it left behind is never taken for another's.
    """

    def __init__(self, url: str, script: Path, *, breaker: Breaker | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._source = script.read_text()
        self._sha = sha1(self._source.encode(), usedforsecurity=False).hexdigest()
        self._breaker = breaker or Breaker("Redis of claims and limits")
        self._timeout_seconds = timeout_seconds
        # Time-outs of redis-py are off: `_bounded` is the only one, and it knows about busy processes. A sentinel that says nothing gets
        # a third of it, so that another can still be asked.
        self._client = open_async_redis(url, sentinel_seconds=timeout_seconds / 3)

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

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _bounded(self, keys: Sequence[bytes | str], arguments: Sequence[bytes | str | int]) -> object:
        task = asyncio.ensure_future(self._evaluate(keys, arguments))
        try:
            await asyncio.wait((task,), timeout=self._timeout_seconds)
            turns = GRACE_TURNS
            while not task.done() and turns:
                await asyncio.sleep(0)
                turns -= 1
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))
        if task.cancelled():
            raise TimeoutError(f"no answer within {self._timeout_seconds * 1000:.0f} ms")
        return task.result()

    async def _evaluate(self, keys: Sequence[bytes | str], arguments: Sequence[bytes | str | int]) -> object:
        try:
            return await self._evaluate_on_a_connection(keys, arguments)
        except RuntimeError as error:
            # What uvloop raises for a write to a connection that was reset while it lay idle; redis-py does not know it for what it is.
            raise ConnectionResetError(str(error)) from error

    async def _evaluate_on_a_connection(self, keys: Sequence[bytes | str], arguments: Sequence[bytes | str | int]) -> object:
        try:
            return await self._client.execute_command("EVALSHA", self._sha, len(keys), *keys, *arguments)
        except NoScriptError:  # a restart or SCRIPT FLUSH: sent whole once, Redis keeps it again
            return await self._client.execute_command("EVAL", self._source, len(keys), *keys, *arguments)
