"""A connection to Redis that is no more is an answer like "Redis is down", however the event loop words it."""

from pathlib import Path

import pytest

import shared.admission
from shared.admission.redis_link import RedisLink, RedisOutError

SCRIPT = Path(shared.admission.__file__).with_name("admit.lua")


async def test_a_write_to_a_connection_that_was_reset_is_no_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    """What uvloop says of a closed transport does not reach a caller as an internal error."""
    link = RedisLink("redis://127.0.0.1:1/0", SCRIPT)

    async def closed(*_arguments: object) -> object:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    monkeypatch.setattr(link._client, "execute_command", closed)
    with pytest.raises(RedisOutError, match="the handler is closed"):
        await link.run(["k"], [1], bytes)
    await link.close()
