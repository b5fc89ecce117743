"""Hash and check passwords with argon2id, away from the event loop."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2
from argon2.exceptions import VerifyMismatchError

from shared.errors import Overloaded

WAITING_MAX = 32
"""Hashes that may wait for a thread; at about 30 ms each the last of them is done within a second."""

THREADS = 1
"""The gateway shares its processor with the money path: a flood of logins must not take more than one core of it."""

T = TypeVar("T")


def recommended_hasher() -> argon2.PasswordHasher:
    """Return the hasher with the parameters of the OWASP password storage recommendation: 19 MiB, two passes, one lane."""
    return argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """Hashes and checks in a thread of its own, with a bounded queue: beyond it, Overloaded is raised at once."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or recommended_hasher()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._places = threading.Semaphore(WAITING_MAX)
        # What the password of an unknown user is checked against: the same parameters, so the same work.
        self._hash_of_nobody = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        return await self._run(lambda: self._hasher.hash(password))

    async def matches(self, stored_hash: str | None, password: str) -> bool:
        """Tell whether the password is the one hashed; None stands for an unknown user, is never right, and takes the same time."""
        right = await self._run(lambda: self._verify(stored_hash or self._hash_of_nobody, password))
        return right and stored_hash is not None

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored_hash, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise Overloaded("too many passwords are being checked", retry_after_seconds=1.0)
        future = self._threads.submit(work)
        # The place is free when the thread is done, not when the caller leaves: work that has begun goes on without them.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)
