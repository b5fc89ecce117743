"""The time of day, in one place."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_offset: Callable[[], timedelta] | None = None


def shift_by(offset: Callable[[], timedelta]) -> None:
    """Let this process's time of day be off by what `offset` says at every look: for tests of steps of the clock."""
    global _offset  # noqa: PLW0603 - the time of day is one for the process
    _offset = offset


def utc_now() -> datetime:
    """Return the current time in UTC, to the microsecond."""
    return datetime.now(UTC) if _offset is None else datetime.now(UTC) + _offset()


def unix_now() -> float:
    """Return the current time in seconds since 1970 UTC."""
    return time.time() if _offset is None else time.time() + _offset().total_seconds()


def unix_now_ns() -> int:
    """Return the current time in nanoseconds since 1970 UTC."""
    return time.time_ns() if _offset is None else time.time_ns() + int(_offset().total_seconds() * 1_000_000_000)
