"""Every rule of the limiters, on the in-memory form and on Redis."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import pytest

from shared.admission.asks import Ask, Outcome, Verdict, key_of
from shared.admission.limits import Algorithm, Quota
from shared.admission.local_gate import LocalGate
from shared.admission.redis_gate import SCRIPT, RedisGate
from shared.admission.redis_link import RedisLink

SECOND_US = 1_000_000
START_US = 60_000_000 * SECOND_US
"""About the size of today's time since 2025, where doubles are coarsest."""

REPLAYS = Quota("replay", Algorithm.GCRA, 5, SECOND_US)


class Limiter:
    """One key of one limiter, with a clock that the test moves."""

    def __init__(self, handle: Callable[[list[Ask]], Awaitable[list[Verdict]]]) -> None:
        self.now_us = float(START_US)
        self.key = key_of("limit", "test")
        self._handle = handle

    def set_handle(self, handle: Callable[[list[Ask]], Awaitable[list[Verdict]]]) -> None:
        """Use this form of the limiter."""
        self._handle = handle

    async def spend(self, quota: Quota, cost: int = 1) -> Verdict:
        """Spend now."""
        return (await self._handle([Ask(quota, self.key, cost, b"", "", 0, b"")]))[0]

    async def admitted(self, quota: Quota, tries: int, cost: int = 1) -> int:
        """Return how many of some tries pass now."""
        return sum([(await self.spend(quota, cost)).outcome is Outcome.GO for _ in range(tries)])


async def _unset(_: list[Ask]) -> list[Verdict]:
    raise AssertionError("no form chosen")


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[Limiter]:
    """Give a limiter with nothing spent, in both forms."""
    subject = Limiter(_unset)
    if request.param == "memory":
        local = LocalGate(Quota("default", Algorithm.WINDOW, 10, 60 * SECOND_US), clock_us=lambda: subject.now_us)

        async def handle(asks: list[Ask]) -> list[Verdict]:
            return local.handle(asks)

        subject.set_handle(handle)
        yield subject
        return
    link = RedisLink(request.getfixturevalue("redis_url"), SCRIPT, timeout_seconds=5)
    gate = RedisGate(link, REPLAYS, clock_us=lambda: subject.now_us)
    subject.set_handle(gate.handle)
    yield subject
    await gate.close()


def window(requests: int, seconds: float = 60) -> Quota:
    """Return a sliding window."""
    return Quota("default", Algorithm.WINDOW, requests, int(seconds * SECOND_US))


def gcra(requests: int, seconds: float = 60) -> Quota:
    """Return a contract."""
    return Quota("contract", Algorithm.GCRA, requests, int(seconds * SECOND_US))


async def test_window_admits_exactly_its_count(limiter: Limiter) -> None:
    """Ten pass, the eleventh does not, and is told when to come back."""
    assert await limiter.admitted(window(10), 10) == 10
    limiter.now_us += 15 * SECOND_US
    refusal = await limiter.spend(window(10))
    assert refusal.outcome is Outcome.OVER_LIMIT
    assert (refusal.remaining, refusal.retry_us, refusal.reset_us) == (0, 45 * SECOND_US, 45 * SECOND_US)


async def test_window_frees_each_place_exactly_one_period_after_it_was_taken(limiter: Limiter) -> None:
    """A microsecond early is too early."""
    await limiter.spend(window(2))
    limiter.now_us += 20 * SECOND_US
    await limiter.spend(window(2))
    limiter.now_us = START_US + 60 * SECOND_US - 1
    assert (await limiter.spend(window(2))).outcome is Outcome.OVER_LIMIT
    limiter.now_us += 1
    verdict = await limiter.spend(window(2))
    assert (verdict.outcome, verdict.remaining) == (Outcome.GO, 0)
    assert (await limiter.spend(window(2))).retry_us == 20 * SECOND_US


async def test_window_never_admits_more_in_any_stretch(limiter: Limiter) -> None:
    """Whatever the rhythm of the tries, no stretch of the window's length holds more than the count."""
    admitted: list[float] = []
    for step in range(120):
        limiter.now_us += (step * 7919 % 13) * SECOND_US / 10
        if (await limiter.spend(window(3, 5))).outcome is Outcome.GO:
            admitted.append(limiter.now_us)
    assert all(later - first >= 5 * SECOND_US for first, later in zip(admitted, admitted[3:], strict=False))
    assert len(admitted) > 20


async def test_refused_tries_do_not_lengthen_the_wait(limiter: Limiter) -> None:
    """Who keeps trying gets as much as who waits."""
    assert await limiter.admitted(window(2), 50) == 2
    limiter.now_us += 60 * SECOND_US
    assert await limiter.admitted(window(2), 50) == 2


async def test_large_window_is_exact_after_a_pause(limiter: Limiter) -> None:
    """More expired times than one call drops still leave room for the whole count, and only for that."""
    assert await limiter.admitted(window(200), 250) == 200
    limiter.now_us += 61 * SECOND_US
    assert await limiter.admitted(window(200), 250) == 200


async def test_lowered_window_tells_the_right_time_to_come_back(limiter: Limiter) -> None:
    """With more admitted than the new count allows, the wait is until enough of them are old."""
    for _ in range(5):
        await limiter.spend(window(5))
        limiter.now_us += SECOND_US
    refusal = await limiter.spend(window(2))
    assert refusal.outcome is Outcome.OVER_LIMIT
    assert refusal.retry_us == (60 - 5 + 3) * SECOND_US
    limiter.now_us += refusal.retry_us
    assert (await limiter.spend(window(2))).outcome is Outcome.GO


async def test_window_survives_a_clock_set_back(limiter: Limiter) -> None:
    """Nobody gets more than the count in a period, or waits longer than one."""
    await limiter.admitted(window(3), 3)
    limiter.now_us -= 3600 * SECOND_US
    assert await limiter.admitted(window(3), 5) == 0
    limiter.now_us += 60 * SECOND_US
    assert await limiter.admitted(window(3), 5) == 3


@pytest.mark.parametrize(("requests", "seconds"), [(1, 1), (3, 1), (7, 60), (10, 60), (1000, 7), (999_983, 60)])
async def test_gcra_gives_the_whole_burst_and_not_one_more(limiter: Limiter, requests: int, seconds: int) -> None:
    """However the interval rounds, a rested caller spends exactly the count at once."""
    quota = gcra(requests, seconds)
    halves = [requests // 2, requests - requests // 2]
    for cost in filter(None, halves):
        assert (await limiter.spend(quota, cost)).outcome is Outcome.GO
    refusal = await limiter.spend(quota)
    assert (refusal.outcome, refusal.remaining) == (Outcome.OVER_LIMIT, 0)
    assert refusal.retry_us == pytest.approx(seconds * SECOND_US / requests, abs=2)


async def test_gcra_gives_units_back_one_by_one(limiter: Limiter) -> None:
    """After the burst one unit returns every emission interval."""
    quota = gcra(10)
    assert await limiter.admitted(quota, 12) == 10
    for _ in range(5):
        limiter.now_us += 6 * SECOND_US
        assert await limiter.admitted(quota, 2) == 1
    limiter.now_us += 24 * SECOND_US
    assert (await limiter.spend(quota)).remaining == 3


async def test_gcra_takes_the_cost_of_a_batch_whole_or_not_at_all(limiter: Limiter) -> None:
    """A refused batch spends nothing, so a smaller one still passes."""
    quota = gcra(100)
    assert (await limiter.spend(quota, 60)).remaining == 40
    assert (await limiter.spend(quota, 41)).outcome is Outcome.OVER_LIMIT
    assert (await limiter.spend(quota, 40)).outcome is Outcome.GO


async def test_refused_caller_passes_after_the_time_it_was_told(limiter: Limiter) -> None:
    """Retry-After is neither too short nor, by more than a microsecond, too long."""
    quota = gcra(7, 10)
    await limiter.spend(quota, 7)
    wait_us = (await limiter.spend(quota, 3)).retry_us
    assert wait_us == math.ceil(10 * SECOND_US * 3 / 7)
    limiter.now_us += wait_us - 2
    assert (await limiter.spend(quota, 3)).outcome is Outcome.OVER_LIMIT
    limiter.now_us += 2
    assert (await limiter.spend(quota, 3)).outcome is Outcome.GO


async def test_gcra_survives_a_clock_set_back(limiter: Limiter) -> None:
    """The wait is never longer than one period."""
    quota = gcra(5)
    await limiter.spend(quota, 5)
    limiter.now_us -= 3600 * SECOND_US
    assert (await limiter.spend(quota)).retry_us <= 12 * SECOND_US
    limiter.now_us += 60 * SECOND_US
    assert (await limiter.spend(quota, 5)).outcome is Outcome.GO


async def test_both_forms_agree_on_a_long_mixed_history(limiter: Limiter) -> None:
    """The same tries end the same way as in a model of the rule, decided from the whole history."""
    quota = window(4, 10)
    spent: list[float] = []
    for step in count():
        if step == 200:
            break
        limiter.now_us += (step * step * 31 % 37) * 100_000
        expected = sum(time > limiter.now_us - quota.window_us for time in spent) < quota.requests
        verdict = await limiter.spend(quota)
        assert (verdict.outcome is Outcome.GO) == expected
        if expected:
            spent.append(limiter.now_us)
