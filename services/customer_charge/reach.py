"""Which cells did not answer a moment ago, as far as a process knows."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from shared.cells import Cells
from shared.database import Database
from shared.errors import ChargingError, Unavailable

AWAY_SECONDS = 5.0
"""After a cell did not answer, the work that needs it is left alone for so long. Each new try costs the others of its batch a moment."""

QUESTION_SECONDS = 1.0
"""Longest wait for the answer to a question before a batch. A living cell answers within milliseconds."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Reach:
    """Remembers the cells that are away, so that a batch whose own cell lives is not held up again and again by another's.

    Nothing depends on what it remembers but how soon work is done: what is left alone stays pending.

    Example:
        reach = Reach()
        work = await read_work(cells, slot, limit=100, reach=reach)  # leaves alone what needs a cell in reach.away()
    """

    def __init__(self, *, away_seconds: float = AWAY_SECONDS) -> None:
        self._away_seconds = away_seconds
        self._until: dict[int, float] = {}

    def away(self) -> list[int]:
        """Return the numbers of the cells to be left alone now."""
        now = time.monotonic()
        return sorted(cell for cell, until in self._until.items() if until > now)

    def lost(self, cell: int, error: ChargingError) -> None:
        """Note that a cell did not answer."""
        if cell not in self.away():
            log.warning("cell.away", cell=cell, reason=error.reason)
        self._until[cell] = time.monotonic() + self._away_seconds

    async def ask(
        self,
        cells: Cells,
        among: Iterable[int],
        question: Callable[[int, Database], Awaitable[T]],
        *,
        seconds: float | None = QUESTION_SECONDS,
    ) -> dict[int, T]:
        """Do the same in some cells, side by side, and return what came of it by cell, without the cells that are out of reach.

        `seconds` is how long each may take; None for what ends by itself. Raises whatever else goes wrong, when all are done.
        """
        wanted = list(among)
        results = await asyncio.gather(*(self._ask(cells, cell, question, seconds) for cell in wanted), return_exceptions=True)
        answers: dict[int, T] = {}
        for cell, result in zip(wanted, results, strict=True):
            if isinstance(result, ChargingError):
                self.lost(cell, result)
            elif isinstance(result, BaseException):
                raise result
            else:
                answers[cell] = result
        return answers

    @staticmethod
    async def _ask(cells: Cells, cell: int, question: Callable[[int, Database], Awaitable[T]], seconds: float | None) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await question(cell, cells[cell])
        except TimeoutError as error:
            raise Unavailable(
                f"cell {cell} does not answer", reason="DATABASE_UNAVAILABLE", metadata={"cell": str(cell)}, retry_after_seconds=1.0
            ) from error
