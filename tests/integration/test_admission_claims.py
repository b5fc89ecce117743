"""Claims of idempotency keys in Redis, and what becomes of the gate when Redis fails."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from structlog.testing import capture_logs

from shared.admission.asks import Ask, Conclusion, Outcome, Verdict, key_of
from shared.admission.gate import Gate, build_gate
from shared.admission.limits import Algorithm, Quota
from shared.admission.local_gate import LocalGate
from shared.admission.redis_gate import SCRIPT, RedisGate
from shared.admission.redis_link import RedisLink
from shared.breaker import Breaker
from shared.settings import CommonSettings
from tests.unit.fake_redis_server import Behaviour, FakeRedisServer

REPLAYS = Quota("replay", Algorithm.GCRA, 3, 60_000_000)
DEFAULT = Quota("default", Algorithm.WINDOW, 10, 60_000_000)
LIMIT_KEY = key_of("limit", "test")
REPLAY_KEY = key_of("limit", "replay", "test")


def make_ask(owner: str, key: str = "k", *, limit: Quota | None = DEFAULT) -> Ask:
    """Return the ask of one call with a key."""
    return Ask(limit, LIMIT_KEY, 1, key_of("claim", key), owner, 15_000, REPLAY_KEY)


def make_gate(url: str, *, timeout_seconds: float = 5.0, breaker: Breaker | None = None) -> Gate:
    """Return a gate of its own."""
    link = RedisLink(url, SCRIPT, breaker=breaker, timeout_seconds=timeout_seconds)
    return Gate(RedisGate(link, REPLAYS), LocalGate(DEFAULT), default=DEFAULT, replays=REPLAYS)


@pytest.fixture
async def gate(redis_url: str) -> AsyncIterator[Gate]:
    """Give a gate on an empty Redis."""
    subject = make_gate(redis_url)
    yield subject
    await subject.close()


async def test_first_call_claims_and_others_find_it_running(gate: Gate) -> None:
    """Only one of two calls with a key runs."""
    first, second = await gate.decide(make_ask("a")), await gate.decide(make_ask("b"))
    assert (first.outcome, first.claimed) == (Outcome.GO, True)
    assert (second.outcome, second.claimed) == (Outcome.RUNNING, False)


async def test_hundred_calls_at_once_have_one_winner(gate: Gate) -> None:
    """However they share batches, one call claims the key."""
    replays = Quota("replay", Algorithm.GCRA, 1000, 60_000_000)
    gate._redis._replays = replays
    verdicts = await asyncio.gather(*(gate.decide(make_ask(str(n))) for n in range(100)))
    assert sum(verdict.outcome is Outcome.GO for verdict in verdicts) == 1
    assert sum(verdict.outcome is Outcome.RUNNING for verdict in verdicts) == 99


async def test_same_call_sent_again_runs_and_spends_nothing(gate: Gate) -> None:
    """A door that repeats a call after a lost connection is not limited for it, neither while it runs nor after."""
    before = await gate.decide(make_ask("a"))
    again = await gate.decide(make_ask("a"))
    assert (again.outcome, again.claimed) == (Outcome.RESUME, True)
    gate.conclude(Conclusion(key_of("claim", "k"), "a", 60_000))
    assert await gate.decide(make_ask("a")) == Verdict(Outcome.RESUME)
    assert (await gate.decide(make_ask("c", "other"))).remaining == before.remaining - 1


async def test_done_key_replays_at_once_after_its_conclusion(gate: Gate) -> None:
    """A caller that repeats a key right after its answer never meets its own running claim."""
    for n in range(50):
        await gate.decide(make_ask("a", f"k{n}", limit=None))
        gate.conclude(Conclusion(key_of("claim", f"k{n}"), "a", 60_000))
        assert (await gate.decide(make_ask("b", f"k{n}", limit=None))).outcome in (Outcome.REPLAY, Outcome.OVER_REPLAY_LIMIT)


async def test_freed_key_can_be_claimed_again(gate: Gate) -> None:
    """A call that failed leaves its key to the next."""
    await gate.decide(make_ask("a"))
    gate.conclude(Conclusion(key_of("claim", "k"), "a", 0))
    assert (await gate.decide(make_ask("b"))).outcome is Outcome.GO


async def test_only_the_owner_concludes_a_claim(gate: Gate) -> None:
    """A late end of a call whose claim was taken over changes nothing."""
    await gate.decide(make_ask("a"))
    gate.conclude(Conclusion(key_of("claim", "k"), "somebody else", 60_000))
    assert (await gate.decide(make_ask("b"))).outcome is Outcome.RUNNING


async def test_claim_and_done_mark_have_their_lives(gate: Gate, redis_url: str) -> None:
    """Nothing stays in Redis for ever."""
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await gate.decide(make_ask("a"))
        assert 14_000 < await client.pttl(key_of("claim", "k")) <= 15_000
        gate.conclude(Conclusion(key_of("claim", "k"), "a", 86_400_000))
        await gate.decide(make_ask("b"))
        assert 86_399_000 < await client.pttl(key_of("claim", "k")) <= 86_400_000
        assert all([await client.pttl(key) > 0 for key in await client.keys("*")])


async def test_over_the_limit_nothing_is_claimed(gate: Gate) -> None:
    """A refused call does not hold its key."""
    for n in range(10):
        assert (await gate.decide(make_ask("a", f"k{n}"))).outcome is Outcome.GO
    assert (await gate.decide(make_ask("a", "late"))).outcome is Outcome.OVER_LIMIT
    assert (await gate.decide(make_ask("b", "late", limit=None))).outcome is Outcome.GO


async def test_repetitions_spend_their_own_limit(gate: Gate) -> None:
    """Asking again costs nothing of the ordinary limit and is limited by itself."""
    await gate.decide(make_ask("a"))
    outcomes = [(await gate.decide(make_ask("b"))).outcome for _ in range(4)]
    assert outcomes == [Outcome.RUNNING] * 3 + [Outcome.OVER_REPLAY_LIMIT]
    assert (await gate.decide(make_ask("c", "other"))).remaining == 8


async def test_conclusions_are_carried_out_before_the_gate_closes(redis_url: str) -> None:
    """A drained process leaves no claim behind."""
    gate = make_gate(redis_url)
    await gate.decide(make_ask("a"))
    gate.conclude(Conclusion(key_of("claim", "k"), "a", 60_000))
    await gate.close()
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.get(key_of("claim", "k")) == b"done:a"


async def test_flushed_scripts_are_sent_again(gate: Gate, redis_url: str) -> None:
    """SCRIPT FLUSH costs one larger request and no decision."""
    await gate.decide(make_ask("a"))
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.script_flush()
    assert (await gate.decide(make_ask("b"))).outcome is Outcome.RUNNING


async def test_settings_compose_a_gate(redis_url: str) -> None:
    """The documented default comes from the settings."""
    gate = build_gate(CommonSettings(redis_url=redis_url, rate_limit_requests=2, rate_limit_window_seconds=7))
    assert gate.default == Quota("default", Algorithm.WINDOW, 2, 7_000_000)
    await gate.close()


@pytest.mark.parametrize("behaviour", [behaviour for behaviour in Behaviour if behaviour is not Behaviour.LATE_THEN_PROMPT])
async def test_broken_redis_leaves_the_limits_in_force(behaviour: Behaviour) -> None:
    """Down, frozen, full, read-only or talking nonsense: calls go on quickly, unclaimed, and still limited."""
    async with FakeRedisServer(behaviour) as server:
        gate = make_gate(server.url, timeout_seconds=0.05)
        started = time.monotonic()
        with capture_logs() as lines:
            verdicts = [await gate.decide(make_ask(str(n), f"k{n}")) for n in range(14)]
        assert [verdict.outcome for verdict in verdicts] == [Outcome.GO] * 10 + [Outcome.OVER_LIMIT] * 4
        assert not verdicts[9].claimed
        assert time.monotonic() - started < 0.5
        assert [line["event"] for line in lines] == ["breaker.opened"]
        await gate.close()


async def test_claims_return_with_redis(redis_url: str) -> None:
    """After an outage the next probe brings the shared limits back."""
    now = [0.0]
    breaker = Breaker("test", failures=1, retry_seconds=1, clock=lambda: now[0])
    gate = make_gate(redis_url, breaker=breaker)
    breaker.failed(OSError("down"))
    assert not (await gate.decide(make_ask("a"))).claimed
    now[0] = 1.0
    assert (await gate.decide(make_ask("a"))).claimed
    assert breaker.closed
    await gate.close()


async def test_answer_that_came_too_late_is_never_taken_for_the_next_call() -> None:
    """The connection of a late call is closed, with whatever still arrives on it."""
    async with FakeRedisServer(Behaviour.LATE_THEN_PROMPT) as server:
        gate = make_gate(server.url, timeout_seconds=0.05)
        assert (await gate.decide(make_ask("late", "k1"))).outcome is Outcome.GO
        server.let_late_answer_go()
        verdict = await gate.decide(make_ask("prompt", "k2"))
        assert (verdict.outcome, verdict.remaining) == (Outcome.GO, 2)
        assert server.connections == 2
        await gate.close()


async def test_busy_process_does_not_blame_redis(redis_url: str) -> None:
    """An answer that lies in the socket while this process was busy is an answer in time."""
    breaker = Breaker("test", failures=1)
    gate = make_gate(redis_url, timeout_seconds=0.05, breaker=breaker)
    await gate.decide(make_ask("a"))
    deciding = asyncio.ensure_future(gate.decide(make_ask("b", "k2")))
    for _ in range(6):
        await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251 - the very stall that is the subject
    assert (await deciding).claimed
    assert breaker.closed
    await gate.close()


async def test_claim_whose_answer_never_came_is_concluded_all_the_same(redis_url: str) -> None:
    """A claim that Redis made too late does not answer 409 to the next caller for the rest of its life."""
    gate = make_gate(redis_url, timeout_seconds=0.2)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.execute_command("CLIENT", "PAUSE", 300, "ALL")
        verdict = await gate.decide(make_ask("late"))
        assert (verdict.outcome, verdict.claimed) == (Outcome.GO, True)
        await client.ping()
    gate.conclude(Conclusion(key_of("claim", "k"), "late", 0))
    assert (await gate.decide(make_ask("next"))).outcome is Outcome.GO
    await gate.close()
