"""How the copy of the trust state is kept."""

import asyncio
import math

from shared.auth.remote_trust import trust_state_of, trust_state_response
from shared.auth.trust_state import TrustCopy, TrustState
from tests.authentication import START, FakeClock, Signer, trusting
from tests.unit.auth.conftest import World


async def test_the_copy_is_infinitely_old_before_the_first_fetch(unready: World) -> None:
    """Nothing can be relied on yet."""
    assert (unready.trust.state, unready.trust.age_seconds, unready.trust.stale) == (None, math.inf, True)


async def test_age_counts_from_the_question() -> None:
    """What changed while the answer travelled may be missing from it, so that time counts as age."""
    clock = FakeClock(0.0)

    async def slow_fetch() -> TrustState:
        clock.now += 2
        return trusting(Signer("key-1"))

    copy = TrustCopy(slow_fetch, monotonic=clock)
    assert await copy.refresh()
    assert copy.age_seconds == 2


async def test_a_failed_refresh_keeps_the_copy(world: World) -> None:
    """The old copy goes on, and its age tells how old it is."""
    state = world.trust.state
    world.state = OSError("unreachable")
    world.monotonic.now += 30
    assert not await world.trust.refresh()
    assert world.trust.state is state
    assert world.trust.age_seconds == 30


async def test_an_unchanged_state_stays_the_same_object(world: World) -> None:
    """Verifiers compare by identity, so nothing is verified again for nothing."""
    state = world.trust.state
    world.state = trusting(world.signer)
    assert await world.trust.refresh()
    assert world.trust.state is state


async def test_the_copy_refreshes_in_the_background_and_survives_failures() -> None:
    """A fetch that fails is followed by one that does not, until the copy is closed."""
    outcomes = [OSError("unreachable"), trusting(Signer("key-1"))]
    fetched = asyncio.Event()

    async def fetch() -> TrustState:
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        fetched.set()
        return outcome

    copy = TrustCopy(fetch, interval_seconds=0.001)
    copy.start()
    async with asyncio.timeout(5):
        await fetched.wait()
    await copy.close()
    assert copy.state == outcomes[0]


async def test_a_refresh_never_uses_an_answer_asked_for_earlier() -> None:
    """Who refreshes after a revocation sees it, even while an older fetch is still under way."""
    signer = Signer("key-1")
    gate = asyncio.Event()
    answers = iter([trusting(signer), trusting(signer, revoked={"a": START})])

    async def fetch() -> TrustState:
        answer = next(answers)
        await gate.wait()
        return answer

    copy = TrustCopy(fetch)
    older, newer = asyncio.create_task(copy.refresh()), asyncio.create_task(copy.refresh())
    gate.set()
    await asyncio.gather(older, newer)
    assert copy.state == trusting(signer, revoked={"a": START})


def test_a_trust_state_survives_the_wire() -> None:
    """The answer of GetTrustState carries all of it."""
    state = trusting(Signer("key-1"), Signer("key-2"), revoked={"a": START}, versions={"user:7": 2})
    assert trust_state_of(trust_state_response(state)) == state
