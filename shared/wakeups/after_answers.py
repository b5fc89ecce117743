"""Wake workers a moment after a commit, when those who wait for it are answered."""

import asyncio
from typing import Protocol

AFTER_SECONDS = 0.002
"""Longer than the answers of a small batch take to leave. Sent at once, a hint competes with them: its thread holds the interpreter,
and the worker that it wakes wants a processor."""


class Wake(Protocol):
    """Tells the workers of a slot that there is work."""

    def __call__(self, slot: int, *, stream: bool = False) -> None:
        """Neither waits nor raises."""
        ...


class AfterAnswers:
    """Passes the wakes of one event loop on, 2 ms later and each slot once. What is not passed on is found by the sweeper.

    Example:
        wake = AfterAnswers(waker.wake)
        wake(slot)
        ...
        wake.close()
    """

    def __init__(self, wake: Wake, *, after_seconds: float = AFTER_SECONDS) -> None:
        self._wake = wake
        self._after_seconds = after_seconds
        self._slots: dict[int, bool] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, slot: int, *, stream: bool = False) -> None:
        """Wake the workers of a slot soon; `stream` as for the waker."""
        self._slots[slot] = stream or self._slots.get(slot, False)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._after_seconds, self._pass_on)

    def close(self) -> None:
        """Pass on now what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._pass_on()

    def _pass_on(self) -> None:
        self._timer = None
        slots, self._slots = self._slots, {}
        for slot, stream in slots.items():
            self._wake(slot, stream=stream)
