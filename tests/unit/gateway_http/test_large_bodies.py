"""Large bodies: taken from known callers, a few at a time, and none of them keeps others waiting."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from services.gateway.http import large_bodies as limits
from services.gateway.http.json_reader import JsonReader
from services.gateway.http.large_bodies import SMALL_BYTES_MAX, LargeBodies
from services.gateway.http.problems import VIOLATIONS_SHOWN_MAX, ProblemError
from services.gateway.http.requests import Request
from services.gateway.http.unreadable import UnreadableError
from shared.policy import find_method
from tests.unit.gateway_http.test_hostile_connections import waiting_door
from tests.unit.gateway_http.test_server import HEALTH, connected, serving, small_door

BATCH = b"/api/customer/increase-credit/batch/"
LARGE = b'{"items": [%s]}' % (b" " * SMALL_BYTES_MAX)


def batch(body: bytes = LARGE, token: str = "", *, chunked: bool = False) -> bytes:
    """Return a request with a body that is large unless another one is given."""
    size = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    return b"POST %b HTTP/1.1\r\nHost: door\r\nAuthorization: Token %b\r\n%b\r\n\r\n%b" % (BATCH, token.encode(), size, content)


def request_of(caller: str) -> Request:
    """Return a request of a caller."""
    return Request.read("POST", BATCH, [(b"authorization", f"Token {caller}".encode())], "127.0.0.1")


def bodies() -> LargeBodies:
    """Return places in which every token stands for its own caller."""
    return LargeBodies(lambda authorization: authorization.partition(" ")[2] or None)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_without_a_valid_token_is_refused_with_the_reason(chunked: bool) -> None:
    """The client that goes on sending still gets to read why, and the door is called for nothing."""
    client = small_door(receive_timeout_seconds=30)
    async with serving(client) as server, connected(server) as connection:
        whole = batch(chunked=chunked)
        connection.writer.write(whole[: SMALL_BYTES_MAX + 1_000])
        status, headers, body = await connection.response()
        assert (status, headers["connection"], json.loads(body)["reason"]) == (401, "close", "UNAUTHENTICATED")
        connection.writer.write(whole[SMALL_BYTES_MAX + 1_000 :])
        await connection.writer.drain()
        assert await connection.ended()
    assert client.backend.calls == []


async def test_a_large_body_with_a_valid_token_arrives() -> None:
    """It is read like any other."""
    client = small_door(receive_timeout_seconds=30)
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(batch(b'{"items": [%b{"vendor": 1, "customer": 1, "amount": 1}]}' % (b" " * SMALL_BYTES_MAX), "one"))
        assert (await connection.response())[0] == 202
    assert len(client.backend.calls[0].request.items) == 1


@pytest.mark.parametrize("most", ["AT_A_TIME", "AT_A_TIME_PER_CALLER"])
async def test_one_large_body_too_many_is_told_to_come_back(most: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is free again once another is answered, or its client has left half way."""
    monkeypatch.setattr(limits, most, 2)
    client, release = waiting_door(receive_timeout_seconds=30)
    full = batch(b'{"items": [%b{"vendor": 1, "customer": 1, "amount": 1}]}' % (b" " * SMALL_BYTES_MAX), "one")
    async with serving(client) as server, connected(server) as first:
        first.writer.write(full)
        async with connected(server) as second, connected(server) as third:
            second.writer.write(full[:-1])
            while client.door.large_bodies.taken < 2:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
            third.writer.write(full)
            status, headers, body = await third.response()
            assert (status, headers["retry-after"], json.loads(body)["reason"]) == (503, "1", "OVERLOADED")
        while client.door.large_bodies.taken > 1:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        release.set()
        assert (await first.response())[0] == 202
        assert client.door.large_bodies.taken == 0


async def test_a_caller_that_takes_its_places_leaves_room_for_others() -> None:
    """And a request takes one place only."""
    places = bodies()
    greedy = [request_of("greedy") for _ in range(limits.AT_A_TIME_PER_CALLER)]
    for request in greedy * 2:
        places.admit(request)
    with pytest.raises(ProblemError):
        places.admit(request_of("greedy"))
    places.admit(request_of("other"))
    places.leave(greedy[0])
    places.leave(greedy[0])
    places.admit(request_of("greedy"))
    with pytest.raises(ProblemError):
        places.admit(greedy[0])


async def test_large_bodies_are_read_in_turn_with_rests() -> None:
    """After each one the loop is free for as long as it took."""
    places, loop, free = bodies(), asyncio.get_running_loop(), 0
    took = 0.05

    def read() -> float:
        end = loop.time() + took
        while loop.time() < end:
            pass
        return loop.time()

    async def others() -> None:
        nonlocal free
        while True:
            free += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    ends = sorted(await asyncio.gather(*[places.in_turn(read) for _ in range(3)]))
    beside.cancel()
    assert all(later - earlier >= 2 * took for earlier, later in pairwise(ends))
    assert free > 3, "while one rests others are served"


async def test_a_refused_connection_says_nothing_more() -> None:
    """What its client still sends is thrown away, and no second refusal follows the first when time goes by."""
    client = small_door(receive_timeout_seconds=0.1)
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(b"GARBAGE\r\n\r\n")
        assert (await connection.response())[0] == 400
        connection.writer.write(HEALTH)
        assert await connection.ended()


def test_no_more_faults_are_looked_for_than_are_shown() -> None:
    """A body of megabytes of mistakes costs no more than a hundred of them."""
    method = find_method("/charging.customer_charge.v1.ChargeService/BatchIncreaseCredit")
    read: Any = JsonReader().for_request(method.input_type)
    for body in ({"items": [1] * 100_000}, dict.fromkeys(map(str, range(100_000)), 1)):
        with pytest.raises(UnreadableError) as error:
            read(body)
        assert len(error.value.violations) == VIOLATIONS_SHOWN_MAX
