"""Decisions in this process, for the time that Redis does not answer."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from cachetools import LRUCache

from shared.admission import gcra, sliding_window
from shared.admission.asks import Ask, Conclusion, Outcome, Verdict
from shared.admission.limits import Algorithm, Quota, Spending

MAX_KEYS = 20_000
"""Most keys remembered per algorithm; beyond that the one unused for longest is forgotten. About 10 MB at the default limit."""

MAX_TIMES = 1_000_000
"""Most admitted times remembered over all keys, which bounds memory when a limit is set to many thousands."""


def monotonic_us() -> float:
    """Return this process's monotonic clock in microseconds."""
    return time.monotonic() * 1_000_000


class LocalGate:
    """The same limits, each process for itself.

    So while Redis is away N processes together admit up to N times a limit, and login and approval stay throttled. Claims are skipped:
    they save work, but the truth about a key is in PostgreSQL, which refuses or replays every repetition.
    """

    def __init__(self, default: Quota, *, clock_us: Callable[[], float] = monotonic_us) -> None:
        self._clock_us = clock_us
        self._windows: LRUCache[bytes, deque[float]] = LRUCache(max(1, min(MAX_KEYS, MAX_TIMES // default.requests)))
        self._arrivals: LRUCache[bytes, float] = LRUCache(MAX_KEYS)

    def handle(self, items: Sequence[Ask | Conclusion]) -> list[Verdict]:
        """Decide every ask, in order; conclusions have nothing to conclude here."""
        now_us = self._clock_us()
        return [self._decide(item, now_us) if isinstance(item, Ask) else Verdict(Outcome.GO) for item in items]

    def _decide(self, ask: Ask, now_us: float) -> Verdict:
        if ask.limit is None:
            return Verdict(Outcome.GO)
        spending = self._spend(ask.limit, ask.limit_key, ask.cost, now_us)
        outcome = Outcome.GO if spending.allowed else Outcome.OVER_LIMIT
        return Verdict(outcome, spending.remaining, spending.retry_us, spending.reset_us)

    def _spend(self, quota: Quota, key: bytes, cost: int, now_us: float) -> Spending:
        if quota.algorithm is Algorithm.WINDOW:
            times = self._windows.get(key)
            if times is None:
                times = self._windows[key] = deque()
            return sliding_window.spend(times, now_us, quota)
        self._arrivals[key], spending = gcra.spend(self._arrivals.get(key), now_us, cost, quota)
        return spending
