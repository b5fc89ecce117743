"""The admission interceptor on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from shared.admission.gate import Gate, build_gate
from shared.call import CURRENT_CALL, Call
from shared.errors import FailedPrecondition, IdempotencyKeyRunning, InvalidArgument, ResourceExhausted, Unavailable
from shared.interceptors.admission import AdmissionInterceptor
from shared.policy import IdempotencyScope, RateLimitClass
from shared.principal import RateLimit
from shared.settings import CommonSettings
from tests.unit.admission_calls import make_call, make_policy, make_principal

REQUEST = SimpleNamespace(vendor_id=1)
ANSWER = object()


@pytest.fixture
async def gate(redis_url: str) -> AsyncIterator[Gate]:
    """Give a gate with the documented limit: ten in sixty seconds."""
    subject = build_gate(CommonSettings(redis_url=redis_url))
    yield subject
    await subject.close()


class Handler:
    """A handler that notes whether it was told of a replay, and ends as the test wants."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.replays: list[bool] = []
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()

    async def __call__(self, request: object, context: object) -> object:
        """Serve the call."""
        self.entered.set()
        self.replays.append(CURRENT_CALL.get().replay)
        await self.release.wait()
        if self.error is not None:
            raise self.error
        return ANSWER


async def serve(gate: Gate, call: Call, handler: Handler | None = None) -> object:
    """Serve one call through the interceptor, as a task of its own."""

    async def within_call() -> object:
        CURRENT_CALL.set(call)
        return await AdmissionInterceptor(gate).intercept(handler or Handler(), REQUEST, None, call.method)  # type: ignore[arg-type]

    return await asyncio.create_task(within_call())


async def test_ten_pass_and_the_eleventh_is_refused_with_all_it_needs_to_know(gate: Gate) -> None:
    """The documented limit, with headers on success and refusal."""
    for n in range(10):
        call = make_call()
        assert await serve(gate, call) is ANSWER
        assert call.trailers == {"ratelimit": f'"default";r={9 - n};t=60', "ratelimit-policy": '"default";q=10;w=60'}
    call = make_call()
    with pytest.raises(ResourceExhausted) as refusal:
        await serve(gate, call)
    assert refusal.value.reason == "RATE_LIMITED"
    assert refusal.value.retry_after_seconds == pytest.approx(60, abs=2)
    assert refusal.value.metadata["limit"] == "default"
    assert call.trailers["ratelimit"].startswith('"default";r=0;t=')


async def test_another_address_or_method_has_its_own_window(gate: Gate) -> None:
    """Who is over the limit in one place is not over it elsewhere."""
    for _ in range(10):
        await serve(gate, make_call())
    assert await serve(gate, make_call(client_address="192.0.2.2")) is ANSWER
    assert await serve(gate, make_call(make_policy(name="/other/Method"))) is ANSWER


async def test_contract_is_told_by_its_own_name(gate: Gate) -> None:
    """A contracted caller sees its contract in the headers and is bound by it."""
    principal = make_principal(rate_limit=RateLimit(2, 10))
    calls = [make_call(principal=principal) for _ in range(3)]
    await serve(gate, calls[0])
    await serve(gate, calls[1])
    assert calls[1].trailers == {"ratelimit": '"contract";r=0;t=10', "ratelimit-policy": '"contract";q=2;w=10'}
    with pytest.raises(ResourceExhausted) as refusal:
        await serve(gate, calls[2])
    assert refusal.value.retry_after_seconds == pytest.approx(5, abs=0.5)


async def test_known_key_reaches_the_handler_as_a_replay_and_spends_the_replay_limit(gate: Gate) -> None:
    """The second call with a key runs the handler, which is told that it repeats."""
    handler = Handler()
    first, second = make_call(key="k"), make_call(key="k")
    await serve(gate, first, handler)
    await serve(gate, second, handler)
    assert handler.replays == [False, True]
    assert second.trailers["ratelimit-policy"] == '"replay";q=6000;w=60'


async def test_running_key_is_refused_for_a_moment(gate: Gate) -> None:
    """While the first call runs, a second with its key is told to come back soon."""
    handler = Handler()
    handler.release.clear()
    running = asyncio.create_task(serve(gate, make_call(key="k"), handler))
    await handler.entered.wait()
    with pytest.raises(IdempotencyKeyRunning) as refusal:
        await serve(gate, make_call(key="k"))
    assert refusal.value.retry_after_seconds is not None
    assert refusal.value.retry_after_seconds < 1
    handler.release.set()
    assert await running is ANSWER


@pytest.mark.parametrize("error", [FailedPrecondition("no"), Unavailable("down"), RuntimeError("bug"), asyncio.CancelledError()])
async def test_every_end_but_success_frees_the_key(gate: Gate, error: BaseException) -> None:
    """A retry runs, and finds the truth in PostgreSQL."""
    with pytest.raises(type(error)):
        await serve(gate, make_call(key="k"), Handler(error))
    handler = Handler()
    assert await serve(gate, make_call(key="k"), handler) is ANSWER
    assert handler.replays == [False]


async def test_door_that_sends_a_call_again_is_not_limited_for_it(gate: Gate) -> None:
    """A lost connection must not turn an accepted charge into a refused one."""
    calls = [make_call(key=f"key-{number}") for number in range(10)]
    for call in calls:
        await serve(gate, call)
    handler = Handler()
    assert await serve(gate, make_call(call_id=calls[9].call_id, key="key-9"), handler) is ANSWER
    assert handler.replays == [False]


async def test_malformed_key_spends_nothing(gate: Gate) -> None:
    """A refusal before admission leaves the limit alone."""
    with pytest.raises(InvalidArgument):
        await serve(gate, make_call(key="ä"))
    call = make_call()
    await serve(gate, call)
    assert call.trailers["ratelimit"].startswith('"default";r=9;')


async def test_reads_carry_no_limit_headers(gate: Gate) -> None:
    """An unlimited call is served as it is."""
    call = make_call(make_policy(rate_limit_class=RateLimitClass.READ, idempotency_scope=IdempotencyScope.NONE))
    assert await serve(gate, call) is ANSWER
    assert call.trailers == {}


async def test_a_cancelled_call_leaves_no_claim_behind(gate: Gate) -> None:
    """Whenever the caller leaves, a repetition with the same key is not told that the first call still runs."""
    for number in range(60):
        key = f"left-{number}"
        task = asyncio.create_task(serve(gate, make_call(make_policy(rate_limit_class=RateLimitClass.READ), key=key)))
        for _ in range(number % 12):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert await serve(gate, make_call(make_policy(rate_limit_class=RateLimitClass.READ), key=key)) is ANSWER
