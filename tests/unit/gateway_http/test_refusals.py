"""A door that is full: refusals come at once, whoever comes back at once is read again at a pace, and nobody else waits for that."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.gateway.http import refusals
from services.gateway.http.refusals import Pace
from tests.unit.gateway_http.test_server import CHARGE, HEALTH, connected, serving, small_door


def test_the_pause_grows_with_those_who_come_back_and_has_an_end() -> None:
    """One connection is hardly held up; so many that each waits its second get no more than the door's pace."""
    pace = Pace()
    pauses = [pace.begin() for _ in range(3 * refusals.PER_SECOND)]
    assert pauses[0] == 1 / refusals.PER_SECOND
    assert pauses == sorted(pauses)
    assert pauses[-1] == refusals.PAUSE_SECONDS_MAX
    for _ in pauses:
        pace.end()
    assert pace.paused == 0


async def test_a_refusal_comes_at_once_and_the_next_one_after_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client sent meanwhile is not lost: it is answered in order, and served when there is room again."""
    monkeypatch.setattr(refusals, "PER_SECOND", 2)
    client = small_door(requests_in_flight_max=1, receive_timeout_seconds=30)
    loop = asyncio.get_running_loop()
    async with serving(client) as server, connected(server) as refused, connected(server) as other:
        client.door.requests_in_flight = 1
        refused.writer.write(CHARGE)
        assert (await refused.response())[0] == 503
        began = loop.time()
        client.door.requests_in_flight = 0
        refused.writer.write(CHARGE + HEALTH)
        other.writer.write(CHARGE)
        assert (await other.response())[0] == 202
        assert loop.time() - began < 0.4
        assert len(client.backend.calls) == 1
        assert (await refused.response())[0] == 202
        assert loop.time() - began > 0.4
        assert (await refused.response())[0] == 200


async def test_a_flood_of_refused_connections_is_refused_at_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection sends again at once: the refusals of a second stay near the pace, however many there are."""
    monkeypatch.setattr(refusals, "PER_SECOND", 40)
    client = small_door(requests_in_flight_max=1, receive_timeout_seconds=30)
    client.door.requests_in_flight = 1
    given = 0

    async def insist(stack: AsyncExitStack) -> None:
        nonlocal given
        connection = await stack.enter_async_context(connected(server))
        while True:
            connection.writer.write(CHARGE)
            assert (await connection.response())[0] == 503
            given += 1

    async with serving(client) as server, AsyncExitStack() as stack:
        insisting = [asyncio.ensure_future(insist(stack)) for _ in range(20)]
        ended, _ = await asyncio.wait(insisting, timeout=1.0)
        assert not ended
        for each in insisting:
            each.cancel()
        await asyncio.gather(*insisting, return_exceptions=True)
    assert 20 < given <= 20 + 2 * 40


async def test_who_leaves_while_unread_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place in the pace is given back."""
    monkeypatch.setattr(refusals, "PER_SECOND", 1)
    client = small_door(requests_in_flight_max=1, receive_timeout_seconds=30)
    client.door.requests_in_flight = 1
    async with serving(client) as server:
        pace = server._connections.refusals  # type: ignore[union-attr]
        async with connected(server) as connection:
            connection.writer.write(CHARGE)
            assert (await connection.response())[0] == 503
            assert pace.paused == 1
        async with asyncio.timeout(5):
            while pace.paused:  # noqa: ASYNC110 - the other end left: there is no event to wait for
                await asyncio.sleep(0)


async def test_a_door_that_closes_still_answers_what_it_left_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a client sent before the end is lost because of a pause."""
    monkeypatch.setattr(refusals, "PER_SECOND", 1)
    client = small_door(requests_in_flight_max=1, receive_timeout_seconds=30)
    async with serving(client) as server, connected(server) as connection:
        client.door.requests_in_flight = 1
        connection.writer.write(CHARGE)
        assert (await connection.response())[0] == 503
        client.door.requests_in_flight = 0
        connection.writer.write(CHARGE)
        await connection.writer.drain()
        stopping = asyncio.ensure_future(server.stop())
        began = asyncio.get_running_loop().time()
        assert (await connection.response())[0] == 202
        assert asyncio.get_running_loop().time() - began < 0.5
        await stopping
