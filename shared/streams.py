"""Guard calls whose answer is a stream: how many there are, how long they last, and that their caller is still who it was.

The guard is the innermost layer of the chain and lasts as long as its stream, so all other guards do too: their errors end the stream with
a status like any other call's.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Gauge

from shared.auth.authenticator import Authenticator
from shared.call import Call, current_call
from shared.errors import Overloaded, ResourceExhausted
from shared.interceptors.types import Context

STREAM_SECONDS_MAX = 900.0
"""Longest life of a stream. Callers open it again where it ended, so that new replicas get their share."""

CHECK_SECONDS = 3.0
"""How often the caller's token is looked at again: as often as the trust state is fetched."""

WRITE_SECONDS = 10.0
"""Longest wait for a reader to take one message; a slower one is dropped, so that nobody's messages pile up here."""

SPARE_SECONDS = 0.25
"""A stream ends so long before its deadline: its caller gets an end and not an error."""

RETRY_AFTER_SECONDS = 1.0

T = TypeVar("T")


class StreamGuard:
    """The streams of one process: at most `total_max` at a time, and `principal_max` of one principal."""

    def __init__(self, authenticator: Authenticator, registry: CollectorRegistry, *, total_max: int, principal_max: int) -> None:
        self._authenticator = authenticator
        self._total_max = total_max
        self._principal_max = principal_max
        self._open: Counter[str] = Counter()
        self._leaving = asyncio.Event()
        self._gauge = Gauge("charging_streams", "Streams that are open.", registry=registry)

    @property
    def open_now(self) -> int:
        """Return how many streams are open."""
        return self._open.total()

    def end_all(self) -> None:
        """End every stream softly, each after the message it is sending, and open no more: this process leaves."""
        self._leaving.set()

    def serving(self, handler: Callable[[Any, Context], AsyncIterator[Any]]) -> Callable[[Any, Context], Awaitable[None]]:
        """Return what serves a whole stream of the handler's messages."""

        async def serve(request: Any, context: Context) -> None:
            call = current_call()
            with self._place(call.caller.subject):
                await self._send_all(handler(request, context), call, context)

        return serve

    @contextmanager
    def _place(self, subject: str) -> Iterator[None]:
        """Take a place for one more stream. Raises ResourceExhausted when there is none, Overloaded when this process leaves."""
        if self._leaving.is_set():
            raise Overloaded("this process is leaving", reason="SHUTTING_DOWN", retry_after_seconds=RETRY_AFTER_SECONDS)
        if self._open[subject] >= self._principal_max:
            raise _too_many("caller", self._principal_max)
        if self._open.total() >= self._total_max:
            raise _too_many("process", self._total_max)
        self._open[subject] += 1
        self._gauge.inc()
        try:
            yield
        finally:
            self._gauge.dec()
            self._open[subject] -= 1
            if not self._open[subject]:
                del self._open[subject]

    async def _send_all(self, messages: AsyncIterator[Any], call: Call, context: Context) -> None:
        """Send messages until there are no more, the stream's time is over or this process leaves.

        Raises what the handler raises, what the authentication says of a token that is no longer good, and ResourceExhausted for a reader
        that does not read. Only the wait for the next message is ever cut off, never the sending of one.
        """
        end = time.monotonic() + min(STREAM_SECONDS_MAX, call.remaining_seconds() - SPARE_SECONDS)
        check_at = time.monotonic() + CHECK_SECONDS
        leaving = asyncio.ensure_future(self._leaving.wait())
        coming: asyncio.Task[Any] | None = None
        try:
            while (now := time.monotonic()) < end and not leaving.done():
                if now >= check_at:
                    await self._authenticator.authenticate(call.metadata.get("authorization", "").partition(" ")[2])
                    check_at = now + CHECK_SECONDS
                coming = coming or asyncio.create_task(_next(messages))
                await asyncio.wait({coming, leaving}, timeout=min(end, check_at) - now, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    continue
                message = coming.result()
                if message is None:
                    return
                coming = None
                await _within(WRITE_SECONDS, context.write(message))
        finally:
            leaving.cancel()
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})


async def _next(messages: AsyncIterator[T]) -> T | None:
    """Return the next message, None after the last."""
    return await anext(messages, None)


async def _within(seconds: float, writing: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await writing
    except TimeoutError:
        message = f"a message was not taken within {seconds:g} seconds"
        raise ResourceExhausted(message, reason="SLOW_READER", metadata={"seconds": f"{seconds:g}"}) from None


def _too_many(whose: str, most: int) -> ResourceExhausted:
    return ResourceExhausted(
        f"this {whose} has {most} streams open, and not more are allowed",
        reason="TOO_MANY_STREAMS",
        metadata={"whose": whose, "most": str(most)},
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
