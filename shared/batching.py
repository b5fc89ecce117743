"""Batches that form by themselves.

While one batch is in flight the next gathers. There is no timer: a lone item leaves at once, and the batch grows exactly as far as the work
behind it is slow. This is what makes one commit, one script call or one RPC serve many calls (see docs/performance.md).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Generic, TypeVar

from shared.errors import Overloaded

T = TypeVar("T")
R = TypeVar("R")

RETRY_AFTER_SECONDS = 1.0
"""What a caller turned away by a full queue is told: a full queue of a healthy process is gone well within a second."""


class NaturalBatcher(Generic[T, R]):
    """Run items in batches of at most `max_batch`, with at most `max_in_flight` batches under way and `max_queue` items waiting.

    `run` takes the items of one batch in the order of their submission and returns one result per item, in order; a result that is an
    exception fails its item alone. An exception raised by `run` fails every item of the batch, unless `retry_singly(error)` says that it
    was a known rollback (nothing happened): then the items run again one by one, so that one poison item fails alone.

    `observe` is called with the size of each batch as it leaves.

    Example:
        batcher = NaturalBatcher(insert_rows, name="accept", max_batch=256, max_queue=4096, max_in_flight=1)
        row = await batcher.submit(item)
    """

    def __init__(
        self,
        run: Callable[[list[T]], Awaitable[Sequence[R | Exception]]],
        *,
        name: str,
        max_batch: int,
        max_queue: int,
        max_in_flight: int = 1,
        retry_singly: Callable[[Exception], bool] | None = None,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self._run = run
        self._name = name
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._max_in_flight = max_in_flight
        self._retry_singly = retry_singly
        self._observe = observe
        self._queue: deque[tuple[asyncio.Future[R], T]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runners: set[asyncio.Task[None]] = set()
        self._running = 0
        self._starting = False
        self._later: asyncio.TimerHandle | None = None
        self._closed = False
        # A batch belongs to no single caller: it must not see the context (current call, log fields) of the one that happened to start it.
        self._context = copy_context()

    @property
    def waiting(self) -> int:
        """Return how many items wait for a batch."""
        return len(self._queue)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Queue the item for some batch and return the future of its result.

        Raises Overloaded at once when the queue is full or the batcher is closed. Cancelling whoever awaits the future drops an item that
        still waits; one that was taken runs to its end, and its companions notice nothing.
        """
        future = self._enqueue(item)
        if not self._starting and self._running < self._max_in_flight:
            self._start(future.get_loop())
        return future

    def submit_later(self, item: T, seconds: float) -> None:
        """Queue an item whose result nobody waits for: it leaves with the next one that is submitted, or alone after some seconds.

        Raises Overloaded as `submit` does.
        """
        future = self._enqueue(item)
        if self._later is None and not self._running:
            self._later = future.get_loop().call_later(seconds, self._start_waiting)

    def _enqueue(self, item: T) -> asyncio.Future[R]:
        if self._closed:
            raise Overloaded(
                f"{self._name} is shutting down",
                reason="SHUTTING_DOWN",
                metadata={"queue": self._name},
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        while self._queue and self._queue[0][0].done():  # whoever awaited it was cancelled
            self._queue.popleft()
        if len(self._queue) >= self._max_queue:
            raise Overloaded(f"the queue of {self._name} is full", metadata={"queue": self._name}, retry_after_seconds=RETRY_AFTER_SECONDS)
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._queue.append((future, item))
        return future

    async def close(self) -> None:
        """Refuse new items and wait until all that were taken or queued are done."""
        self._closed = True
        self._start_waiting()
        while self._runners:
            await asyncio.wait(self._runners)

    def _start_waiting(self) -> None:
        """Start a batch for items that were not to start one themselves, unless one is on its way to take them."""
        self._later = None
        if self._loop is not None and self._queue and not self._running:
            self._start(self._loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        # The task takes its batch when it first runs, so all items submitted in this turn of the loop leave together; until then no
        # second one is started, it would find nothing.
        self._starting = True
        self._running += 1
        runner = loop.create_task(self._drain(loop), name=f"batch:{self._name}", context=self._context.copy())
        self._runners.add(runner)
        runner.add_done_callback(self._runners.discard)

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        self._starting = False
        try:
            while batch := self._take():
                if self._queue and not self._starting and self._running < self._max_in_flight:
                    self._start(loop)
                if self._observe is not None:
                    self._observe(len(batch))
                await self._run_batch(batch)
        finally:
            # In the very step that found the queue empty: whoever submits next must see that nobody will come for it.
            self._running -= 1

    def _take(self) -> list[tuple[asyncio.Future[R], T]]:
        queue = self._queue
        batch: list[tuple[asyncio.Future[R], T]] = []
        while queue and len(batch) < self._max_batch:
            entry = queue.popleft()
            if not entry[0].done():  # whoever awaited it was cancelled
                batch.append(entry)
        return batch

    async def _run_batch(self, batch: list[tuple[asyncio.Future[R], T]]) -> None:
        try:
            results = await self._run([item for _, item in batch])
        except Exception as error:
            if len(batch) > 1 and self._retry_singly is not None and self._retry_singly(error):
                for entry in batch:
                    await self._run_batch([entry])
                return
            results = [error] * len(batch)
        except BaseException:
            for future, _ in batch:
                future.cancel()
            raise
        if len(results) != len(batch):
            results = [RuntimeError(f"{self._name} returned {len(results)} results for {len(batch)} items")] * len(batch)
        for (future, _), result in zip(batch, results, strict=True):
            if future.done():  # its submitter was cancelled
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
