"""The generic cell rate algorithm (ITU-T I.371): a limit that is spread evenly, in one number per key.

Words:

- **count** (`quota.requests`): how many units may be spent in a period in the long run.
- **period** (`quota.window_us`): the length of time that count refers to. A unit comes back every `period / count`: the emission interval.
- **burst**: how many units may be spent at once after a pause. Here always equal to count: who was idle for a period may spend it whole.
- **cost**: how many units one call spends, 1 or the number of its items.

The one number is the *theoretical arrival time* (TAT): the moment at which everything spent so far would be paid off at the steady rate. A
call passes when paying for it too would end at most one period from now. So in any stretch of time T at most
`burst + T * count / period` units pass: never more than twice the count in one period, and exactly the rate over many.

A refused call costs nothing. A cost above the burst can never pass; callers refuse it before they come here.

The same arithmetic is in `admit.lua`; the tests run both on the same cases. Times are microseconds on any one clock. `admit.lua` counts
from 2025 rather than from 1970: a double then still resolves a hundredth of a microsecond.
"""

from math import ceil, floor

from shared.admission.limits import Quota, Spending

SLACK_US = 0.1
"""Forgives the rounding of doubles, so that a burst of exactly `count` passes whatever the interval; far below one unit of a contract."""


def spend(tat_us: float | None, now_us: float, cost: int, quota: Quota) -> tuple[float, Spending]:
    """Try to spend `cost` units; return the new TAT to keep and what became of it.

    `tat_us` is the value kept from the call before, None for the first. After a refusal the value returned is to be kept all the same.
    """
    interval_us = quota.window_us / quota.requests
    horizon_us = now_us + quota.window_us
    # A value beyond the horizon can only come from a clock that was set back; believing it would lock the caller out for that long.
    paid_us = now_us if tat_us is None else min(max(tat_us, now_us), horizon_us)
    after_us = paid_us + cost * interval_us
    allowed = after_us <= horizon_us + SLACK_US
    kept_us = after_us if allowed else paid_us
    return kept_us, Spending(
        allowed,
        remaining=max(0, floor((horizon_us - kept_us + SLACK_US) / interval_us)),
        retry_us=0 if allowed else ceil(after_us - horizon_us),
        reset_us=ceil(kept_us - now_us),
    )
