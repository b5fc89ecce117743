"""A sign of life for processes that serve nobody: a file, touched again and again while the process gets round to it.

The file says that the event loop turns, or that a worker's threads live; not that the database answers. Starting a process anew helps
against the first kind of trouble only.
"""

import asyncio
from pathlib import Path

BEAT_SECONDS = 5.0
"""Often enough that a dead process shows within half a minute, and no load."""

SILENCE_SECONDS_MAX = 6 * BEAT_SECONDS
"""Who has not beaten for this long is taken for dead. A busy machine delays a beat by seconds, not by several beats."""


def beat(file: Path | None) -> None:
    """Touch the file; without one, do nothing."""
    if file is not None:
        file.touch()


async def keep_beating(file: Path | None) -> None:
    """Beat from this event loop until cancelled."""
    while True:
        beat(file)
        await asyncio.sleep(BEAT_SECONDS)
