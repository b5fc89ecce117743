"""The served door, over real connections, plain and encrypted: limits on time and size, and an end at which nothing fails."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.gateway.http.server import HttpServer, listening_socket
from shared.transport.backend import Answer
from tests.certificates import Certificates
from tests.unit.gateway_http.conftest import Client, client_of

HEALTH = b"GET /health/ HTTP/1.1\r\nHost: door\r\n\r\n"
BODY = b'{"vendor": 1, "customer": 1, "amount": 1}'
TLS: dict[str, Any] = {}
"""What doors are told of TLS, and `trust`, what their clients check them by; empty where connections are plain."""

CHARGE = b"POST /api/customer/increase-credit/ HTTP/1.1\r\nHost: door\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture(autouse=True, params=["plain", "encrypted"])
def connections(request: pytest.FixtureRequest, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test of this module see both kinds of connections."""
    if request.param == "encrypted":
        monkeypatch.setitem(TLS, "settings", certificates.of_the_door("127.0.0.1"))
        monkeypatch.setitem(TLS, "trust", certificates.trust)


@asynccontextmanager
async def serving(client: Client) -> AsyncIterator[HttpServer]:
    """Serve a client's door."""
    server = HttpServer(client.door, client.settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class Connection:
    """A connection that writes raw bytes and reads whole responses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """Read one response."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode()
        line, *lines = head.strip().split("\r\n")
        headers = dict(each.split(": ", 1) for each in lines)
        return int(line.split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def ended(self) -> bool:
        """Wait until the other side has closed, with nothing more sent."""
        try:
            return await asyncio.wait_for(self.reader.read(), 10) == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def connected(server: HttpServer, address: str = "127.0.0.1") -> AsyncIterator[Connection]:
    """Connect to a server, from an address of loopback."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=TLS.get("trust"), local_addr=(address, 0))
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


def small_door(**values: Any) -> Client:
    """Return a door on a free port that loses patience quickly."""
    return client_of(**{"http_port": 0, "receive_timeout_seconds": 0.2, "drain_seconds": 2.0, **TLS.get("settings", {}), **values})


async def test_requests_follow_each_other_on_one_connection() -> None:
    """Keep-alive, a Date, and no Server header."""
    async with serving(small_door()) as server, connected(server) as connection:
        for _ in range(3):
            connection.writer.write(HEALTH)
            status, headers, body = await connection.response()
            assert (status, body) == (200, b'{"status":"ok"}')
            assert "date" in headers
            assert "server" not in headers


@pytest.mark.parametrize("start", [b"", b"GET /hea", b"GET /health/ HTTP/1.1\r\nHost: door\r\n", CHARGE[:-5]])
async def test_a_client_that_sends_slowly_is_dropped(start: bytes) -> None:
    """After the receive timeout it gets 408, whether it stops before, within or after the head."""
    async with serving(small_door()) as server:
        # Its time counts from the connection, so this clock starts before.
        began = time.monotonic()
        async with connected(server) as connection:
            connection.writer.write(start)
            status, headers, body = await connection.response()
            assert (status, headers["connection"], json.loads(body)["reason"]) == (408, "close", "REQUEST_TIMEOUT")
            assert await connection.ended()
        assert 0.15 < time.monotonic() - began < 30


async def test_dribbling_does_not_win_time() -> None:
    """The timeout is for the whole request, not for the pause between two bytes."""
    async with serving(small_door()) as server, connected(server) as connection:

        async def dribble() -> None:
            while True:
                connection.writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.02)

        connection.writer.write(b"GET /health/ HTTP/1.1\r\n")
        task = asyncio.create_task(dribble())
        assert (await connection.response())[0] == 408
        task.cancel()


async def test_a_slow_answer_is_no_slow_client() -> None:
    """A call may take longer than the receive timeout."""
    client = small_door()
    release = asyncio.Event()

    async def answer() -> Answer:
        await release.wait()
        return Answer(0)

    client.backend.answer = answer
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(CHARGE)
        asyncio.get_running_loop().call_later(0.5, release.set)
        assert (await connection.response())[0] == 202


async def test_an_endless_head_is_cut_off() -> None:
    """Beyond 16 KiB of headers the door stops reading, finished or not."""
    async with serving(small_door(receive_timeout_seconds=30)) as server, connected(server) as connection:
        connection.writer.write(b"GET /health/ HTTP/1.1\r\nX-A: " + b"a" * 20_000)
        status, _, body = await connection.response()
        assert (status, json.loads(body)["reason"]) == (431, "HEADERS_TOO_LARGE")
        assert await connection.ended()


async def test_a_finished_head_that_is_too_large_is_refused() -> None:
    """It arrives in one piece, and is refused all the same."""
    async with serving(small_door()) as server, connected(server) as connection:
        connection.writer.write(b"GET /health/ HTTP/1.1\r\nHost: door\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n")
        assert (await connection.response())[0] == 431


async def test_a_body_announced_too_large_is_refused_unread() -> None:
    """413 comes before the body, and the connection is closed."""
    async with serving(small_door()) as server, connected(server) as connection:
        connection.writer.write(b"POST /api/customer/increase-credit/ HTTP/1.1\r\nHost: door\r\nContent-Length: 99999999\r\n\r\n")
        status, headers, _ = await connection.response()
        assert (status, headers["connection"]) == (413, "close")
        assert await connection.ended()


async def test_a_client_asking_first_gets_no_100_for_a_body_too_large() -> None:
    """Expect: 100-continue is answered by the refusal itself."""
    async with serving(small_door()) as server, connected(server) as connection:
        connection.writer.write(
            b"POST /api/customer/increase-credit/ HTTP/1.1\r\nHost: door\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
        )
        assert (await connection.response())[0] == 413


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: door\r\n\r\n",
        b"CONNECT door:80 HTTP/1.1\r\nHost: door\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n",
        CHARGE.replace(b"Host: door", b"Content-Length: 3"),
    ],
)
async def test_what_is_no_http_is_a_problem_too(raw: bytes) -> None:
    """Broken request lines, bad header names and two lengths are refused with a problem document."""
    async with serving(small_door()) as server, connected(server) as connection:
        connection.writer.write(raw)
        status, headers, _ = await connection.response()
        assert (status, headers["content-type"]) == (400, "application/problem+json")


OFFER = b"Host: door\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"


async def test_an_offer_to_upgrade_is_ignored() -> None:
    """Some clients offer HTTP/2 with every request; they are answered in HTTP/1.1, body and all, and may go on."""
    client = small_door()
    offering = CHARGE.replace(b"Host: door", OFFER)
    async with serving(client) as server, connected(server) as connection:
        for head_bytes in (0, 10, len(offering) - 5, len(offering) - len(BODY)):
            connection.writer.write(offering[:head_bytes])
            await connection.writer.drain()
            await asyncio.sleep(0)
            connection.writer.write(offering[head_bytes:])
            assert (await connection.response())[0] == 202
        connection.writer.write(offering + HEALTH)
        assert [(await connection.response())[0] for _ in range(2)] == [202, 200]
    assert [call.request.amount for call in client.backend.calls] == [1] * 5


async def test_no_request_is_smuggled_behind_an_offer() -> None:
    """What the length says is body is body, however much it looks like a request; a chunked one is refused."""
    client = small_door()
    head = CHARGE.partition(b"\r\n\r\n")[0].replace(b"Host: door", OFFER)
    async with serving(client) as server:
        async with connected(server) as connection:
            connection.writer.write(head.replace(b": %d" % len(BODY), b": %d" % len(CHARGE)) + b"\r\n\r\n" + CHARGE + HEALTH)
            assert [(await connection.response())[0] for _ in range(2)] == [400, 200]
        async with connected(server) as connection:
            chunked = head.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked")
            revoke = chunked.replace(b"/api/customer/increase-credit/", b"/api/auth/token/revoke/")  # needs no body
            connection.writer.write(revoke + b"\r\n\r\n0\r\n\r\n" + CHARGE)
            assert (await connection.response())[0] == 400
            assert await connection.ended()
    assert client.backend.calls == []


async def test_connections_of_another_address_and_of_a_trusted_proxy_are_not_counted() -> None:
    """One address has its own share only; a proxy stands for many clients."""
    for values, address in (({}, "127.0.0.2"), ({"trusted_proxies": ["127.0.0.1/32"]}, "127.0.0.1")):
        async with serving(small_door(connections_per_address_max=1, **values)) as server, connected(server) as first:
            first.writer.write(HEALTH)
            assert (await first.response())[0] == 200
            async with connected(server, address) as second:
                second.writer.write(HEALTH)
                assert (await second.response())[0] == 200


@pytest.mark.parametrize("most", ["connections_max", "connections_per_address_max"])
async def test_one_connection_too_many_is_refused(most: str) -> None:
    """It is told so, and a place that becomes free is given again."""
    async with serving(small_door(**{most: 1})) as server:
        async with connected(server) as first:
            first.writer.write(HEALTH)
            assert (await first.response())[0] == 200
            async with connected(server) as second:
                status, headers, _ = await second.response()
                assert (status, headers["retry-after"]) == (503, "1")
                assert await second.ended()
        status = 503
        while status == 503:  # until the server has seen the first one leave
            async with connected(server) as third:
                third.writer.write(HEALTH)
                status, _, _ = await third.response()
        assert status == 200


async def test_a_client_that_leaves_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is called for half a request, and nothing is logged."""
    client = small_door(receive_timeout_seconds=30)
    async with serving(client) as server:
        async with connected(server) as connection:
            connection.writer.write(CHARGE[:-5])
        async with connected(server) as connection:
            connection.writer.write(HEALTH)
            await connection.response()
    assert client.backend.calls == []
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_stopping_lets_the_request_under_way_finish() -> None:
    """It is answered in full, and told that the connection ends."""
    client = small_door()
    started, release = asyncio.Event(), asyncio.Event()

    async def answer() -> Answer:
        started.set()
        await release.wait()
        return Answer(0)

    client.backend.answer = answer
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(CHARGE)
        await started.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        release.set()
        status, headers, _ = await connection.response()
        assert (status, headers["connection"]) == (202, "close")
        await stopping


async def test_stopping_answers_what_still_comes_on_an_open_connection() -> None:
    """A client that did not know yet gets its answer and `Connection: close`; new connections are not taken."""
    async with serving(small_door()) as server, connected(server) as connection:
        connection.writer.write(HEALTH)
        await connection.response()
        port = server.port
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)
        connection.writer.write(HEALTH)
        status, headers, _ = await connection.response()
        assert (status, headers["connection"]) == (200, "close")
        await stopping


async def test_stopping_does_not_wait_for_idle_connections() -> None:
    """They are closed after a moment, long before the drain time is over."""
    async with serving(small_door(drain_seconds=30)) as server, connected(server) as connection:
        connection.writer.write(HEALTH)
        await connection.response()
        began = time.monotonic()
        await server.stop()
        assert time.monotonic() - began < 5
        assert await connection.ended()


async def test_no_request_fails_while_servers_take_turns_on_a_port() -> None:
    """Clients that send without a pause see only whole answers while one of two servers on the port stops."""
    client = small_door(receive_timeout_seconds=10)
    first = HttpServer(client.door, client.settings)
    await first.start()
    second = HttpServer(client.door, client.settings, listening_socket("127.0.0.1", first.port))
    await second.start()
    statuses: list[int] = []
    hundred_more, stopped = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        while not stopped.is_set():
            async with connected(second) as connection:
                headers: dict[str, str] = {}
                while headers.get("connection") != "close" and not stopped.is_set():
                    connection.writer.write(CHARGE)
                    status, headers, _ = await connection.response()
                    statuses.append(status)
                    if len(statuses) % 100 == 0:
                        hundred_more.set()

    clients = [asyncio.create_task(ask()) for _ in range(8)]
    await hundred_more.wait()
    await first.stop()
    hundred_more.clear()
    await hundred_more.wait()
    stopped.set()
    await asyncio.gather(*clients)
    await second.stop()
    assert set(statuses) == {202}
