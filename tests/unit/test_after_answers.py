"""Hints that let the answers go first."""

import asyncio

from shared.wakeups.after_answers import AfterAnswers


class Woken:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.wakes: list[tuple[int, bool]] = []
        self.told = asyncio.Event()

    def __call__(self, slot: int, *, stream: bool = False) -> None:
        """Take a wake."""
        self.wakes.append((slot, stream))
        self.told.set()


async def test_wakes_come_a_moment_later_and_each_slot_once() -> None:
    """What is woken in the same moment is one wake, a stream if any of it was."""
    woken = Woken()
    wake = AfterAnswers(woken, after_seconds=0.001)
    for stream in (False, True, False):
        wake(1, stream=stream)
    wake(2)
    assert woken.wakes == []
    await asyncio.wait_for(woken.told.wait(), 5)
    assert woken.wakes == [(1, True), (2, False)]
    woken.told.clear()
    wake(1)
    await asyncio.wait_for(woken.told.wait(), 5)
    assert woken.wakes[2:] == [(1, False)]


async def test_closing_passes_on_what_waits() -> None:
    """A process that leaves tells what it knows, once."""
    woken = Woken()
    wake = AfterAnswers(woken, after_seconds=60.0)
    wake(3)
    wake.close()
    wake.close()
    assert woken.wakes == [(3, False)]
