"""One answer for everybody who asks at about the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")


class SharedAnswer(Generic[AnswerT]):
    """Asks once for all who wait, and remembers the answer for a moment.

    For questions that anybody may ask without a token and that cost a look at other parts, such as "are you ready?": whoever asks a
    thousand times a second makes this process look twice. Call it inside one event loop. An error is not remembered, and reaches all who
    waited.
    """

    def __init__(self, ask: Callable[[], Awaitable[AnswerT]], *, seconds: float) -> None:
        """`seconds` is how old an answer may be."""
        self._ask = ask
        self._seconds = seconds
        self._asking: asyncio.Task[AnswerT] | None = None
        self._good_until = 0.0

    async def __call__(self) -> AnswerT:
        """Return the answer. Raises what asking raises."""
        asking = self._asking
        if asking is None or (asking.done() and not self._fresh(asking)):
            asking = self._asking = asyncio.create_task(self._run())
        # Whoever leaves takes no answer from those who stay.
        return await asyncio.shield(asking)

    def _fresh(self, asked: asyncio.Task[AnswerT]) -> bool:
        remembered = not asked.cancelled() and asked.exception() is None
        return remembered and asyncio.get_running_loop().time() < self._good_until

    async def _run(self) -> AnswerT:
        answer = await self._ask()
        self._good_until = asyncio.get_running_loop().time() + self._seconds
        return answer
