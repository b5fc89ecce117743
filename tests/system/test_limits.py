"""The documented rate limit, and what is left of it while Redis is frozen or gone. Each test calls from an address of its own."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from itertools import count
from uuid import uuid4

import httpx
import pytest
import redis

from shared.local.engine import Engine
from shared.local.stack import Stack
from tests.support import wait_until
from tests.system.office import Office, Partner, async_caller, caller
from tests.system.stacks import audit

CHARGE = "/api/customer/increase-credit/"
LIMIT = 10
_numbers = count(2)


@pytest.fixture
def address() -> str:
    """Give a client address that nobody has called from."""
    return f"127.0.1.{next(_numbers)}"


@pytest.fixture
def cache(stack: Stack) -> Iterator[Engine]:
    """Give the Redis of claims and limits, and have it running again afterwards."""
    engine = stack.engines["cache"]
    yield engine
    if engine.running:
        engine.kill(signal.SIGCONT)
    else:
        engine.start()
    stack.wait_ready()


def charge(client: httpx.Client, partner: Partner, **headers: str) -> httpx.Response:
    """Charge 1."""
    return client.post(CHARGE, json=partner.order(1), headers=headers)


def assert_limit_holds(client: httpx.Client, partner: Partner) -> None:
    """Ten charges pass; the eleventh is refused, says when to come back, and is told so in every form there is."""
    answers = [charge(client, partner) for _ in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers] == [202] * LIMIT + [429]
    refusal = answers[-1]
    assert 1 <= int(refusal.headers["retry-after"]) <= 60
    assert "r=0" in refusal.headers["ratelimit"]
    assert "q=10" in refusal.headers["ratelimit-policy"]
    assert refusal.headers["content-type"] == "application/problem+json"


def test_the_eleventh_write_within_a_minute_is_refused(office: Office, url: str, address: str) -> None:
    """10 in 60 seconds for a client address and path, as documented."""
    partner = office.partner(credit=100, rate_limit=None)
    with caller(url, partner.token, address) as client:
        assert_limit_holds(client, partner)
        assert client.get("/api/customer/charges/").status_code == 200, "reading is not limited"


def test_a_forged_forwarded_header_buys_nothing(office: Office, url: str, address: str) -> None:
    """Who connects directly is counted by its connection, whatever it claims."""
    partner = office.partner(credit=100, rate_limit=None)
    with caller(url, partner.token, address) as client:
        answers = [charge(client, partner, **{"X-Forwarded-For": f"203.0.113.{number}"}) for number in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers] == [202] * LIMIT + [429]


def test_a_contract_replaces_the_limit_of_the_address(office: Office, url: str, address: str) -> None:
    """A contracted token passes where the address alone would not, and is held to its own limit."""
    wide, narrow = office.partner(credit=100), office.partner(credit=100, rate_limit={"requests": 3, "window_seconds": 60})
    with caller(url, wide.token, address) as client:
        assert {charge(client, wide).status_code for _ in range(3 * LIMIT)} == {202}
    with caller(url, narrow.token, address) as client:
        assert [charge(client, narrow).status_code for _ in range(4)] == [202, 202, 202, 429]


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL], ids=["frozen", "killed"])
async def test_without_redis_charges_work_once_and_limits_hold_locally(
    stack: Stack, office: Office, url: str, address: str, cache: Engine, fault: signal.Signals
) -> None:
    """The money path does without Redis: PostgreSQL knows the keys, and each process counts for itself."""
    contracted, limited = office.partner(credit=100), office.partner(credit=100, rate_limit=None)
    cache.kill(fault)

    key = {"Idempotency-Key": str(uuid4())}
    async with async_caller(url, contracted.token) as client:
        answers = await asyncio.gather(*[client.post(CHARGE, json=contracted.order(1), headers=key) for _ in range(20)])
    (charge_id,) = {answer.json()["data"]["id"] for answer in answers}
    assert office.final(charge_id)["status"] == "succeeded"
    assert office.customer_balance(contracted.customer) == 1
    with caller(url, limited.token, address) as client:
        assert_limit_holds(client, limited)
        # Readiness is looked at once for all who ask within a moment.
        wait_until(lambda: not client.get("/ready/").json()["parts"]["redis"], "readiness to tell that Redis is out")
        assert client.get("/ready/").status_code == 200
    audit(stack)


def test_limits_are_counted_in_redis_again_once_it_is_back(stack: Stack, office: Office, url: str, address: str, cache: Engine) -> None:
    """A restarted Redis is empty, and is asked again within seconds."""
    partner = office.partner(credit=100, rate_limit=None)
    with caller(url, partner.token, "127.0.1.1") as other:
        cache.kill()
        assert charge(other, partner).status_code == 202
        cache.start()
        wait_until(counted_in_redis(stack, lambda: charge(other, partner)), "Redis to be asked again")
    with caller(url, partner.token, address) as client:
        assert_limit_holds(client, partner)


def counted_in_redis(stack: Stack, ask: Callable[[], object]) -> Callable[[], bool]:
    """Return a condition: after `ask`, Redis holds a limit."""

    def counted() -> bool:
        ask()
        with redis.Redis.from_url(stack.environment["CHARGING_CACHE_REDIS_URL"]) as client:
            return next(client.scan_iter("charging:limit:*"), None) is not None

    return counted
