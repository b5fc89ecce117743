"""Clients of the Redis that a URL names: one server, or the one that Sentinel says is the primary.

    redis://:password@host:6379/0
    redis+sentinel://:password@sentinel1:26379,sentinel2:26379,sentinel3:26379/0?service=charging
    rediss+sentinel://...    the same over TLS, to the sentinels and to Redis; &ssl_ca_certs=FILE says whom to believe

`service` is the name that the sentinels know the primary by. The password, and the user before it if there is one, are Redis's own;
sentinels that want one too get it by `sentinel_password`. Every new connection asks for the primary anew, and one that turns out to lead
to a replica is closed: after a failover clients follow by themselves. While none is known everything behaves as with Redis down, which is
harmless here.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio
from redis import sentinel
from redis.asyncio import sentinel as async_sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

SENTINEL_SCHEMES = {"redis+sentinel": False, "rediss+sentinel": True}
"""URL schemes that name sentinels, and whether the connections use TLS."""

SENTINEL_PORT = 26379


class BadRedisUrl(ValueError):
    """A URL of sentinels lacks something; the message says what, and not the URL, which holds a password."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Where the sentinels are and what they are asked for; `options` are those of connections to Redis itself."""

    addresses: list[tuple[str, int]]
    service: str
    password: str | None
    options: dict[str, Any]


def read_sentinel_url(url: str) -> Sentinels | None:
    """Return what a URL of sentinels says, None for any other URL. Raises BadRedisUrl."""
    parts = urlsplit(url)
    if parts.scheme not in SENTINEL_SCHEMES:
        return None
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = query.keys() - {"service", "sentinel_password", "ssl_ca_certs"}
    if unknown:
        raise BadRedisUrl(f"a URL of sentinels has no option {', '.join(sorted(unknown))}")
    if not query.get("service"):
        raise BadRedisUrl("a URL of sentinels needs ?service=, the name of the primary")
    database = parts.path.strip("/") or "0"
    if not database.isdecimal():
        raise BadRedisUrl("the path of a Redis URL is the number of a database")
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    options: dict[str, Any] = {"username": unquote(user) or None, "password": unquote(password) or None, "db": int(database)}
    tls: dict[str, Any] = {"ssl": True} if SENTINEL_SCHEMES[parts.scheme] else {}
    if tls and "ssl_ca_certs" in query:
        tls["ssl_ca_certs"] = query["ssl_ca_certs"]
    addresses = [_address(host) for host in hosts.split(",")]
    return Sentinels(addresses, query["service"], query.get("sentinel_password"), options | tls)


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator:
        host, port = text, str(SENTINEL_PORT)
    if not host or not port.isdecimal():
        raise BadRedisUrl("sentinels are given as host:port, with commas between them")
    return host, int(port)


def open_redis(url: str, *, timeout_seconds: float, connect_seconds: float | None = None) -> redis.Redis:
    """Return a client that waits so long for an answer and for a connection (the same, unless given), and never asks twice."""
    connect_seconds = timeout_seconds if connect_seconds is None else connect_seconds
    options: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": connect_seconds,
        "retry": Retry(NoBackoff(), 0),
    }
    sentinels = read_sentinel_url(url)
    if sentinels is None:
        return redis.Redis.from_url(url, **options)
    asking = _asking(sentinels, connect_seconds) | {"retry": Retry(NoBackoff(), 0)}
    manager = sentinel.Sentinel(sentinels.addresses, sentinel_kwargs=asking)
    client = manager.master_for(sentinels.service, connection_pool_class=_SentinelPool, **sentinels.options, **options)
    assert isinstance(client, redis.Redis)  # noqa: S101 - for the type checker
    return client


def open_async_redis(url: str, *, sentinel_seconds: float) -> redis.asyncio.Redis:
    """Return a client without time-outs of its own, for callers who set theirs; it waits for one sentinel so long, and never asks twice.

    It speaks RESP 2, which needs no greeting on a new connection.
    """
    options: dict[str, Any] = {
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "retry": AsyncRetry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    sentinels = read_sentinel_url(url)
    if sentinels is None:
        return redis.asyncio.Redis.from_url(url, **options)
    asking = _asking(sentinels, sentinel_seconds) | {"retry": AsyncRetry(NoBackoff(), 0)}
    manager = async_sentinel.Sentinel(sentinels.addresses, sentinel_kwargs=asking)
    client = manager.master_for(sentinels.service, connection_pool_class=_AsyncSentinelPool, **sentinels.options, **options)
    assert isinstance(client, redis.asyncio.Redis)  # noqa: S101 - for the type checker
    return client


def _asking(sentinels: Sentinels, seconds: float) -> dict[str, Any]:
    """Return the options of connections to sentinels."""
    tls = {name: value for name, value in sentinels.options.items() if name.startswith("ssl")}
    return {"socket_timeout": seconds, "socket_connect_timeout": seconds, "password": sentinels.password, **tls}


class _SentinelPool(sentinel.SentinelConnectionPool):
    """A pool that closes its connections to the sentinels with the others."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        if inuse_connections:
            for each in self.sentinel_manager.sentinels:
                each.close()


class _AsyncSentinelPool(async_sentinel.SentinelConnectionPool):
    """The same, async."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for each in self.sentinel_manager.sentinels:
                await each.aclose()
