"""PostgreSQL and Redis over TLS, by their URLs alone."""

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import redis

from shared.admission.redis_link import RedisLink, RedisOutError
from shared.database import Database
from shared.local.valkey import Valkey
from shared.wakeups.slot_lock import SlotLock
from tests.certificates import Certificates
from tests.databases import Databases
from tests.standins.tls_front import encrypted

PATIENCE_SECONDS = 10.0


@pytest.fixture(scope="session")
def front(certificates: Certificates) -> ssl.SSLContext:
    """Give what the engines show."""
    files = certificates.issue("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert_file, files.key_file)
    return context


@pytest.fixture
def strangers(tmp_path: Path) -> Certificates:
    """Give an authority that signed nothing here."""
    return Certificates(tmp_path / "strangers")


async def test_postgres_is_reached_by_tls_where_the_url_says_so(
    databases: Databases, certificates: Certificates, strangers: Certificates, front: ssl.SSLContext
) -> None:
    """With sslmode=verify-full the server of the right authority is used, and no other; a server without TLS is refused."""
    url = urlsplit(databases.urls["vendor_credit"])

    async def reached(port: int, ca_file: Path) -> bool:
        options = urlencode({"sslmode": "verify-full", "sslrootcert": str(ca_file)})
        address = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}", query=options).geturl()
        database = Database(address, databases.schemas("vendor_credit")[0], pool_size=1, application_name="test")
        await database.open()
        ready = await database.ready()
        await database.close()
        return ready

    assert url.port is not None
    async with encrypted(url.port, front, postgres=True) as port:
        assert await reached(port, certificates.ca_file)
        assert not await reached(port, strangers.ca_file)
    assert not await reached(url.port, certificates.ca_file)


async def test_redis_is_reached_by_tls_where_the_url_says_so(
    valkey_server: Valkey, certificates: Certificates, strangers: Certificates, front: ssl.SSLContext, tmp_path: Path
) -> None:
    """With rediss:// the server of the right authority is used, and no other: for claims and limits, and for the broker's locks."""
    script = tmp_path / "echo.lua"
    script.write_text("return ARGV[1]")
    async with encrypted(valkey_server.port, front) as port:

        def address(ca_file: Path) -> str:
            return f"rediss://:{valkey_server.password}@127.0.0.1:{port}/0?{urlencode({'ssl_ca_certs': str(ca_file)})}"

        link = RedisLink(address(certificates.ca_file), script, timeout_seconds=PATIENCE_SECONDS)
        assert await link.run(["k"], ["through"], bytes) == b"through"
        await link.close()
        link = RedisLink(address(strangers.ca_file), script, timeout_seconds=PATIENCE_SECONDS)
        with pytest.raises(RedisOutError, match="CERTIFICATE_VERIFY_FAILED"):
            await link.run(["k"], ["through"], bytes)
        await link.close()

        lock = SlotLock(address(certificates.ca_file), prefix="encrypted")
        async with lock.acquire(1) as first, lock.acquire(1) as second:
            assert (first, second) == (True, False)
        lock.close()
        client = redis.Redis.from_url(address(strangers.ca_file))
        with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncio.to_thread(client.ping)
        client.close()
