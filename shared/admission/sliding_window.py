"""The exact sliding window: at most N calls in *any* stretch of the window's length.

Words:

- **count** (`quota.requests`): N, the most calls admitted in any stretch of one period.
- **period** (`quota.window_us`): the length of that stretch.
- **burst**: equal to count; all N may come at once, and then each is free again exactly one period after it was admitted.
- **cost**: every call costs 1, whatever it carries.

The state is the list of the times of admitted calls, oldest first, never more than N: a call passes when fewer than N are kept, or when the
oldest is a period old, whose place it takes. A refused call leaves nothing behind, so who is over the limit and keeps trying gets the
same N as who waits. Unlike counting per calendar minute, the end of one minute and the start of the next cannot add up to 2N.

The same steps are in `admit.lua`; the tests run both on the same cases. Times are microseconds on any one clock.
"""

from collections import deque

from shared.admission.limits import Quota, Spending

MAX_EXPIRED_PER_CALL = 64
"""Expired times dropped in one call. More than one suffices for a right decision; a bound keeps one call cheap when N is large. Until the
rest is dropped too, `remaining` is told lower than it is."""


def spend(admitted_us: deque[float], now_us: float, quota: Quota) -> Spending:
    """Try to admit one call; `admitted_us` is changed in place."""
    _forget_future(admitted_us, now_us)
    oldest_kept_us = now_us - quota.window_us
    for _ in range(MAX_EXPIRED_PER_CALL):
        if not admitted_us or admitted_us[0] > oldest_kept_us:
            break
        admitted_us.popleft()
    allowed = len(admitted_us) < quota.requests
    if allowed:
        admitted_us.append(now_us)
    return Spending(
        allowed,
        remaining=max(0, quota.requests - len(admitted_us)),
        # Not simply the oldest: where the count was lowered, more are kept than may be.
        retry_us=0 if allowed else int(admitted_us[-quota.requests] - oldest_kept_us),
        reset_us=int(admitted_us[-1] - oldest_kept_us),
    )


def _forget_future(admitted_us: deque[float], now_us: float) -> None:
    # Times later than now come from a clock that was set back. They count as now: nobody gets more than N, or waits more than a period.
    future = 0
    while admitted_us and admitted_us[-1] > now_us:
        admitted_us.pop()
        future += 1
    admitted_us.extend([now_us] * future)
