"""A Redis whose primary is lost: clients follow the sentinel to the new one, and are told at once while there is none."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from shared.admission.redis_link import RedisLink, RedisOutError
from shared.local.binaries import EngineMissing
from shared.redis_clients import BadRedisUrl, open_redis, read_sentinel_url
from shared.wakeups.broker import build_broker
from tests.ha.redis_pair import SERVICE, RedisPair, redis_pair
from tests.support import tool_missing, wait_until


@pytest.fixture(scope="module")
def pair(server_folder: Path) -> Iterator[RedisPair]:
    """Give a primary, its replica and a sentinel."""
    try:
        with redis_pair(server_folder / "redis-pair") as running:
            yield running
    except EngineMissing as error:
        tool_missing(str(error))


def answers(client: redis.Redis) -> bool:
    """Tell whether a write is taken."""
    try:
        return bool(client.set("who", "me"))
    except redis.RedisError:
        return False


async def test_all_clients_follow_the_sentinel_to_the_new_primary(pair: RedisPair, tmp_path: Path) -> None:
    """The broker's client, and the script of limits and claims; what was lost between the two counts for nothing here."""
    script = tmp_path / "port.lua"
    script.write_text("redis.call('SET', KEYS[1], 'x'); return ARGV[1]")
    link = RedisLink(pair.url, script, timeout_seconds=1.0)  # patient: this is about who answers, not how fast
    broker = build_broker(pair.url)
    assert await link.run(["key"], ["before"], bytes.decode) == "before"
    assert answers(broker.client)

    pair.lose_primary()

    wait_until(lambda: answers(broker.client), "the broker's client to follow")
    after = ""
    while after != "after":
        with suppress(RedisOutError):
            after = await link.run(["key"], ["after"], bytes.decode)
    broker.close()
    await link.close()
    pair.come_back()


def test_a_connection_that_leads_to_a_replica_is_given_up(pair: RedisPair) -> None:
    """A primary that was made a replica while connected: the first refusal closes the connection, the next one finds the primary."""
    client = open_redis(pair.url, timeout_seconds=1.0)
    assert answers(client)
    before = pair.primary_port()
    with redis.Redis.from_url(pair.sentinel.url) as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", SERVICE)
    wait_until(lambda: pair.primary_port() != before, "the primary to change", seconds=30)
    wait_until(lambda: answers(client), "the client to find the new primary")
    client.close()


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("redis+sentinel://a:1/0", "service"),
        ("redis+sentinel://a:b/0?service=x", "host:port"),
        ("redis+sentinel://a:1/x?service=x", "database"),
        ("redis+sentinel://a:1/0?service=x&sevrice=y", "sevrice"),
    ],
)
def test_a_url_that_lacks_something_is_refused_without_showing_it(url: str, what: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(BadRedisUrl, match=what) as refusal:
        read_sentinel_url(url.replace("//", "//:secret@"))
    assert "secret" not in str(refusal.value)


def test_a_url_of_sentinels_says_all_that_is_needed() -> None:
    """User, password, several addresses with and without port, database and TLS."""
    read = read_sentinel_url("rediss+sentinel://me:p%40ss@one:1,two/3?service=charging&sentinel_password=s&ssl_ca_certs=/ca.pem")
    assert read is not None
    assert read.addresses == [("one", 1), ("two", 26379)]
    assert (read.service, read.password) == ("charging", "s")
    assert read.options == {"username": "me", "password": "p@ss", "db": 3, "ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert read_sentinel_url("redis://:x@one:1/0") is None
