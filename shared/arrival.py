"""Receive the requests of calls that come over gRPC: each within a time, and of one caller only a few at once.

What nobody has asked for yet flows no further than a small window (shared/grpc_server.py). So a call that is refused before its request is
asked for costs next to nothing, and what a caller can make this process hold is bounded: a few requests that arrive, and so many calls
that are not answered yet. Peers, which are processes of this system, are only held to the time.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc

from shared.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted
from shared.interceptors.types import Context

RECEIVE_SECONDS = 10.0
"""Longest time for a request to arrive, the wait for a turn included: as long as at the HTTP door."""

ARRIVING_MAX = 16
"""Requests of one caller that arrive at once: of 4 MiB each they hold 64 MiB. A request that came along with its call takes no time."""

UNANSWERED_MAX = 1_000
"""Calls of one caller that are under way at this process: as many as one connection may have."""

CALL_SECONDS_MAX = 120.0
"""Longest life of a call with one answer, its sending included. Longer than any wait and deadline that the contract allows; what lasts
longer belongs to a client that does not take its answer."""

VERDICT_SECONDS = 0.1
"""Time for the library to refuse a request by itself."""

RETRY_AFTER_SECONDS = 1.0


class _Line:
    """The calls of one caller: how many there are, and turns for their requests to arrive."""

    __slots__ = ("calls", "turns")

    def __init__(self) -> None:
        self.calls = 0
        self.turns = asyncio.Semaphore(ARRIVING_MAX)


class Arrivals:
    """The calls that came over gRPC to this process, in one line for each caller."""

    def __init__(self, *, receive_seconds: float = RECEIVE_SECONDS, call_seconds_max: float = CALL_SECONDS_MAX) -> None:
        self._receive_seconds = receive_seconds
        self._call_seconds_max = call_seconds_max
        self.lines: dict[str, _Line] = {}

    async def receive(self, context: Context, caller: str | None, *, streaming: bool = False) -> bytes:
        """Return the request of the call that this task serves; its place in the caller's line lasts until the task has ended.

        `caller` None is a peer; `streaming` says that the answers are a stream, which has a guard of its own for how long it lasts.
        Raises ResourceExhausted (TOO_MANY_CALLS), DeadlineExceeded (REQUEST_TIMEOUT) and InvalidArgument (MALFORMED_MESSAGE).
        """
        turns: contextlib.AbstractAsyncContextManager[object] = contextlib.nullcontext() if caller is None else self._place(caller).turns
        if not streaming:
            self._end_in_time()
        try:
            async with asyncio.timeout(self._receive_seconds), turns:
                message: Any = await context.read()
        except TimeoutError:
            text = f"the request did not arrive within {self._receive_seconds:g} seconds"
            raise DeadlineExceeded(text, reason="REQUEST_TIMEOUT", metadata={"seconds": f"{self._receive_seconds:g}"}) from None
        if message is grpc.aio.EOF:
            # The library gives none either of a message that is too large, and cancels this task when it has told the caller so.
            await asyncio.sleep(VERDICT_SECONDS)
            raise InvalidArgument("the call carries no request", reason="MALFORMED_MESSAGE")
        return bytes(message)

    def _place(self, caller: str) -> _Line:
        line = self.lines.get(caller)
        if line is None:
            line = self.lines[caller] = _Line()
        if line.calls >= UNANSWERED_MAX:
            raise ResourceExhausted(
                f"this caller has {UNANSWERED_MAX} calls under way, and not more are allowed",
                reason="TOO_MANY_CALLS",
                metadata={"most": str(UNANSWERED_MAX)},
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        line.calls += 1
        _task().add_done_callback(partial(self._leave, caller, line))
        return line

    def _leave(self, caller: str, line: _Line, _task: object) -> None:
        line.calls -= 1
        if not line.calls:
            del self.lines[caller]

    def _end_in_time(self) -> None:
        """Cancel this task when it takes longer than any call may: the answer of a client that takes none would wait for ever."""
        task = _task()
        end = asyncio.get_running_loop().call_later(self._call_seconds_max, task.cancel)
        task.add_done_callback(lambda _: end.cancel())


class Places:
    """So many at a time, and no more: for what is open to everybody."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextlib.contextmanager
    def taken(self) -> Iterator[bool]:
        """Take a place for as long as the block lasts; give False where there was none."""
        if self._free <= 0:
            yield False
            return
        self._free -= 1
        try:
            yield True
        finally:
            self._free += 1


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a call is served by a task")
    return task
