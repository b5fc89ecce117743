"""What may be spent, and what became of an attempt to spend it."""

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from shared.principal import RateLimit

MICROSECONDS = 1_000_000


class Algorithm(StrEnum):
    """How a limit counts."""

    WINDOW = "window"
    GCRA = "gcra"


class Quota(NamedTuple):
    """At most `requests` units in `window_us` microseconds.

    `name` is how RateLimit headers call it; the algorithm says what "in" means: see `sliding_window` and `gcra`.
    """

    name: str
    algorithm: Algorithm
    requests: int
    window_us: int

    @property
    def window_seconds(self) -> int:
        """Return the length of the window in whole seconds."""
        return self.window_us // MICROSECONDS


class Spending(NamedTuple):
    """What became of an attempt to spend.

    `remaining` units could be spent right now; `retry_us` is the time after which the refused attempt would pass (0 when it passed);
    `reset_us` is the time after which the whole quota is there again if nothing more is spent.
    """

    allowed: bool
    remaining: int
    retry_us: int
    reset_us: int


def default_quota(requests: int, window_seconds: int) -> Quota:
    """Return the documented limit of unsafe calls per client address and method."""
    return Quota("default", Algorithm.WINDOW, requests, window_seconds * MICROSECONDS)


def replay_quota(requests: int, window_seconds: int) -> Quota:
    """Return the wide limit of repeated calls per principal."""
    return Quota("replay", Algorithm.GCRA, requests, window_seconds * MICROSECONDS)


@lru_cache(maxsize=4096)
def contracted_quota(limit: RateLimit) -> Quota:
    """Return the limit that a principal's contract names."""
    return Quota("contract", Algorithm.GCRA, limit.requests, limit.window_seconds * MICROSECONDS)
