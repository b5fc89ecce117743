"""One worker per slot at a time, as far as that is easy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis
import structlog
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

from shared.redis_clients import open_redis

log = structlog.get_logger(__name__)

LIFE_MS = 5_000
"""After this long the lock of a killed worker is free again."""

SOCKET_TIMEOUT_SECONDS = 0.25
"""Longest wait for one answer of Redis; after it the work is done without the lock."""


class SlotLock:
    """Keep two workers from doing the same work side by side.

    Warning: for efficiency only. Between processes the lock ends by itself after five seconds, whoever holds it, so a holder with more work
    than that lets go of it in between; its release is not fenced; and without Redis every process gets it. What happens twice must
    therefore be harmless, and is: every operation locks its rows.

    Example:
        async with slot_lock.acquire(slot) as acquired:
            if acquired:
                await settle_charges(slot)
    """

    def __init__(self, redis_url: str, *, prefix: str) -> None:
        """`prefix` tells the slots of one kind of work from those of another."""
        client = open_redis(redis_url, timeout_seconds=SOCKET_TIMEOUT_SECONDS)
        self._client = client
        self._backend = RedisBackend(client=client)
        self._prefix = prefix
        self._failing = False
        self._held_here: set[int] = set()

    @asynccontextmanager
    async def acquire(self, slot: int) -> AsyncIterator[bool]:
        """Try to get the lock of a slot and yield whether it was got; released at the end. Never waits for another holder.

        Within this process a slot has one holder however long it takes, and nobody is asked.
        """
        if slot in self._held_here:
            yield False
            return
        self._held_here.add(slot)
        try:
            async with self._acquire_everywhere(slot) as acquired:
                yield acquired
        finally:
            self._held_here.discard(slot)

    @asynccontextmanager
    async def _acquire_everywhere(self, slot: int) -> AsyncIterator[bool]:
        limiter = ConcurrentRateLimiter(self._backend, f"{self._prefix}:slot:{slot}", limit=1, ttl=LIFE_MS)
        lock = limiter.acquire(raise_on_failure=False)
        held = False
        try:
            held = acquired = await asyncio.to_thread(lock.__enter__)
            self._note(None)
        except redis.RedisError as error:
            acquired = True
            self._note(error)
        try:
            yield acquired
        finally:
            if held:
                try:
                    await asyncio.to_thread(lock.__exit__, None, None, None)
                except redis.RedisError as error:
                    self._note(error)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _note(self, error: redis.RedisError | None) -> None:
        if error is not None and not self._failing:
            log.warning("slot_lock.going_without", error=type(error).__name__, text=str(error))
        elif error is None and self._failing:
            log.warning("slot_lock.back")
        self._failing = error is not None
