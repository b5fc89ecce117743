"""Something that async actors share, made on their own event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread

T = TypeVar("T")


class LoopResource(Middleware, Generic[T]):
    """Opens a resource when an actor first asks for it, and closes it when the worker stops.

    Async actors run on an event loop of dramatiq's own, in a thread of its own; pools and channels belong to the loop they were made on.
    """

    def __init__(self, open_resource: Callable[[], Awaitable[T]], close_resource: Callable[[T], Awaitable[None]]) -> None:
        self._open = open_resource
        self._close = close_resource
        self._opening: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return the resource. Actors that ask while it opens wait for the same one; a failed attempt is tried again by the next."""
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.ensure_future(self._open())
        return await asyncio.shield(self._opening)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close the resource on its own loop, before that ends."""
        thread: Any = get_event_loop_thread()
        if thread is not None and self._opening is not None:
            thread.run_coroutine(self._end())

    async def _end(self) -> None:
        if self._opening is not None and not self._opening.cancelled() and self._opening.exception() is None:
            await self._close(self._opening.result())
