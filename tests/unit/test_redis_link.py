"""A connection to Redis that is no more is an answer like "Redis is down", however the event loop words it."""

import asyncio
from pathlib import Path

import pytest

import shared.admission
from shared.admission.redis_link import RedisLink, RedisOutError
from tests.unit.fake_redis_server import Behaviour, FakeRedisServer

SCRIPT = Path(shared.admission.__file__).with_name("admit.lua")


async def test_a_write_to_a_connection_that_was_reset_is_no_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    """What uvloop says of a closed transport does not reach a caller as an internal error."""
    link = RedisLink("redis://127.0.0.1:1/0", SCRIPT)

    async def closed(*_arguments: object) -> object:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    monkeypatch.setattr(link, "_evaluate", closed)
    with pytest.raises(RedisOutError, match="the handler is closed"):
        await link.run(["k"], [1], bytes)
    await link.close()


async def test_asks_share_a_connection_and_a_closed_one_is_not_used_again() -> None:
    """One connection for asks that follow each other; when the server closed it while it lay idle, the next ask opens another."""
    async with FakeRedisServer(Behaviour.WRONG_TEXT) as server:
        link = RedisLink(server.url, SCRIPT, timeout_seconds=5)
        for _ in range(3):
            assert await link.run(["k"], [1], bytes) == b"hello"
        assert server.connections == 1
        server.drop_connections()
        while not await link._idle[0].can_read():  # noqa: ASYNC110 - told over the wire: there is no event to wait for
            await asyncio.sleep(0)
        assert await link.run(["k"], [1], bytes) == b"hello"
        assert server.connections == 2
        await link.close()


async def test_asks_at_the_same_time_have_a_connection_each() -> None:
    """No ask reads the answer of another."""
    async with FakeRedisServer(Behaviour.WRONG_TEXT) as server:
        link = RedisLink(server.url, SCRIPT, timeout_seconds=5)
        assert await asyncio.gather(*[link.run(["k"], [1], bytes) for _ in range(3)]) == [b"hello"] * 3
        assert server.connections == 3
        await link.close()
