"""Tell slots that nobody works on from slots with much to do."""

from collections.abc import Mapping
from datetime import datetime


class Stalls:
    """What a sweeper saw at its last look. A slot whose oldest overdue work is a different one than then has a living worker.

    Where a sweep found work, workers are taken for gone until a sweep finds that others were faster.
    """

    def __init__(self) -> None:
        self._oldest: Mapping[int, datetime] = {}
        self._swept: set[int] = set()

    def look(self, oldest: Mapping[int, datetime]) -> list[int]:
        """Return those of the slots that are to be swept; `oldest` is when the oldest overdue work of each was accepted."""
        before, self._oldest = self._oldest, oldest
        return [slot for slot, accepted_at in oldest.items() if slot in self._swept or before.get(slot) == accepted_at]

    def swept(self, slot: int, finished: int) -> None:
        """Take note of how many charges a sweep of the slot finished."""
        if finished:
            self._swept.add(slot)
        else:
            self._swept.discard(slot)
