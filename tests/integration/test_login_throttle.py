"""How often one may try to sign in under a name, and what a wrong try tells."""

import time
from collections.abc import AsyncIterator
from statistics import median

import pytest
import pytest_asyncio
from charging.identity.v1 import identity_pb2 as pb

from services.gateway.identity import build_identity
from shared.errors import ChargingError, ResourceExhausted, Unauthenticated
from tests.databases import Databases
from tests.integration.identity import PASSWORD, Gateway, gateway_settings, open_gateway

LIMIT = 5
WRONG = "not the password"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest_asyncio.fixture(params=["redis", "no redis"])
async def gateway(request: pytest.FixtureRequest, databases: Databases) -> AsyncIterator[Gateway]:
    """Give a gateway that lets few try, with Redis and with none in reach."""
    url = NOWHERE if request.param == "no redis" else request.getfixturevalue("redis_url")
    async with open_gateway(databases, redis_url=url, login_limit_requests=LIMIT) as gateway:
        await gateway.identity.start()
        yield gateway


async def outcome(gateway: Gateway, username: str, password: str = WRONG) -> str:
    """Try to sign in and return the reason of the refusal, empty for success."""
    try:
        await gateway.log_in(username, password)
    except ChargingError as error:
        return error.reason
    return ""


@pytest.mark.parametrize("username", ["alice", "nobody"])
async def test_a_name_is_tried_so_often_and_no_more(username: str, gateway: Gateway) -> None:
    """From whatever addresses, and with Redis down too; known and unknown names alike, and the right password comes too late then."""
    await gateway.create_user("alice")
    tried = [await outcome(gateway, username) for _ in range(LIMIT)]
    gateway.hasher.verified.clear()

    with pytest.raises(ResourceExhausted) as refused:
        await gateway.log_in(username, PASSWORD)

    assert tried == ["WRONG_CREDENTIALS"] * LIMIT
    assert refused.value.reason == "RATE_LIMITED"
    assert 0 < (refused.value.retry_after_seconds or 0) <= 60
    assert gateway.hasher.verified == []


async def test_other_names_are_not_held_up(gateway: Gateway) -> None:
    """An attack on one user is no outage for the others."""
    await gateway.create_user("alice")
    for _ in range(LIMIT + 1):
        await outcome(gateway, "mallory")

    assert await outcome(gateway, "alice", PASSWORD) == ""


async def test_all_gateways_count_together(databases: Databases, redis_url: str) -> None:
    """A second process gives no second helping."""
    gateways = (open_gateway(databases, redis_url=redis_url, login_limit_requests=LIMIT) for _ in range(2))
    async with next(gateways) as first, next(gateways) as second:
        reasons = [await outcome(gateway, "nobody") for gateway in (first, second) * LIMIT]

    assert reasons == ["WRONG_CREDENTIALS"] * LIMIT + ["RATE_LIMITED"] * LIMIT


async def test_wrong_logins_take_the_same_time(databases: Databases) -> None:
    """With real passwords, unknown, known and disabled users are refused after about the same time: a hash is most of it."""
    settings = gateway_settings(databases, redis_url=NOWHERE, login_limit_requests=1000)
    async with open_gateway(databases, redis_url=NOWHERE) as gateway:
        identity = build_identity(settings, gateway.identity.parts.database)
        real = Gateway(identity, gateway.hasher, databases.admin_url)
        await identity.start()
        await real.create_user("alice")
        disabled = await real.create_user("bob")
        await real.call(real.users.DisableUser, pb.DisableUserRequest(id=disabled.id))
        tries = {"unknown": ("nobody", PASSWORD), "known": ("alice", WRONG), "disabled": ("bob", PASSWORD)}
        took: dict[str, list[float]] = {kind: [] for kind in tries}

        for _ in range(9):
            for kind, (username, password) in tries.items():
                began = time.perf_counter()
                with pytest.raises(Unauthenticated):
                    await real.log_in(username, password)
                took[kind].append(time.perf_counter() - began)
        await identity.close()

    medians = {kind: median(times) for kind, times in took.items()}
    assert max(medians.values()) < 3 * min(medians.values()), medians  # without its hash, an answer would come ten times as fast
