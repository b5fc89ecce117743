"""Connections that send ahead, read nothing, leave early or break off: answers that are due are sent, and memory stays bounded."""

import asyncio
import socket
from typing import Any

import pytest
import uvloop

from services.gateway.http.protocol import REQUESTS_PARSED_MAX
from shared.transport.backend import Answer
from tests.unit.gateway_http.test_server import CHARGE, HEALTH, Connection, connected, serving, small_door

DOCS = b"GET /api/openapi.json HTTP/1.1\r\nHost: door\r\n\r\n"
LAST = CHARGE.replace(b"Host: door", b"Host: door\r\nConnection: close")


def waiting_door(**values: float) -> tuple[Any, asyncio.Event]:
    """Return a door whose charges are answered when the event is set."""
    client, release = small_door(**values), asyncio.Event()

    async def answer() -> Answer:
        await release.wait()
        return Answer(0)

    client.backend.answer = answer
    return client, release


async def _answers_begun_for_a_client_that_reads_nothing() -> int:
    """Send far more requests for a large page than any buffer holds the answers of; return how many were begun."""
    client, begun = small_door(receive_timeout_seconds=30), 0
    serve = client.door.answer

    async def counting(request: Any) -> Any:
        nonlocal begun
        begun += 1
        return await serve(request)

    client.door.answer = counting  # type: ignore[method-assign]
    async with serving(client) as server:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", server.port))
        sending = asyncio.ensure_future(loop.sock_sendall(sock, DOCS * 5_000))
        before = -1
        while before != begun:  # until nothing more happens
            before = begun
            await asyncio.sleep(0.3)
        sending.cancel()
        sock.close()
    return begun


async def test_nothing_more_is_begun_for_a_client_that_reads_nothing() -> None:
    """The door stops answering, and stops reading, until the client takes what it asked for."""
    assert await _answers_begun_for_a_client_that_reads_nothing() < 100


def test_the_same_on_the_loop_that_serves() -> None:
    """Uvloop tells of full buffers in its own way."""
    assert uvloop.run(_answers_begun_for_a_client_that_reads_nothing()) < 100


async def test_a_flood_of_requests_in_one_read_is_refused_after_the_answers_due() -> None:
    """Up to the limit they are answered in order; then the connection ends with the reason."""
    client, release = waiting_door(receive_timeout_seconds=30)
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(CHARGE + HEALTH * (REQUESTS_PARSED_MAX + 50))
        asyncio.get_running_loop().call_later(0.2, release.set)
        statuses = [(await connection.response())[0] for _ in range(REQUESTS_PARSED_MAX + 2)]
        assert statuses == [202, *[200] * REQUESTS_PARSED_MAX, 400]
        assert await connection.ended()


@pytest.mark.parametrize("after", [b"GARBAGE\r\n\r\n", CHARGE.replace(b"Content-Length: ", b"Content-Length: 9999999")])
async def test_a_bad_request_does_not_take_the_answer_before_it_along(after: bytes) -> None:
    """The charge is answered, then the bad request is refused, then the connection ends."""
    client, release = waiting_door(receive_timeout_seconds=30)
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(CHARGE + after)
        asyncio.get_running_loop().call_later(0.1, release.set)
        assert (await connection.response())[0] == 202
        assert (await connection.response())[0] in {400, 413}
        assert await connection.ended()


async def test_what_follows_the_last_request_is_not_looked_at() -> None:
    """A request that said `Connection: close` is answered, whatever comes behind it."""
    client, release = waiting_door(receive_timeout_seconds=30)
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(LAST + HEALTH)
        asyncio.get_running_loop().call_later(0.1, release.set)
        status, headers, _ = await connection.response()
        assert (status, headers["connection"]) == (202, "close")
        assert await connection.ended()


async def test_the_beginning_of_a_next_request_costs_no_answer() -> None:
    """The time to send it counts from the answer before it."""
    client, release = waiting_door(receive_timeout_seconds=0.2)
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(CHARGE + b"GET /hea")
        asyncio.get_running_loop().call_later(0.7, release.set)
        assert (await connection.response())[0] == 202
        assert (await connection.response())[0] == 408


async def _half_closed() -> tuple[int, str]:
    client, release = waiting_door(receive_timeout_seconds=30)
    async with serving(client) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(CHARGE)
        writer.write_eof()
        asyncio.get_running_loop().call_later(0.2, release.set)
        status, headers, _ = await Connection(reader, writer).response()
        writer.close()
        return status, headers["connection"]


async def test_a_client_that_has_sent_all_it_wanted_gets_its_answer() -> None:
    """Half of a connection may be closed before the answer comes."""
    assert await _half_closed() == (202, "close")


def test_half_closed_on_the_loop_that_serves() -> None:
    """The same on uvloop."""
    assert uvloop.run(_half_closed()) == (202, "close")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health/ HTTP/1.1\r\n\r\n",
        b"GET /health/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /health/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET /health/ HTTP/2.0\r\nHost: a\r\n\r\n",
    ],
)
async def test_a_request_that_is_not_clear_is_refused(head: bytes) -> None:
    """One Host, one transfer encoding, one version."""
    async with serving(small_door(receive_timeout_seconds=30)) as server, connected(server) as connection:
        connection.writer.write(head)
        assert (await connection.response())[0] == 400
        assert await connection.ended()


async def test_a_cancelled_answer_ends_the_connection() -> None:
    """Whoever waits for it learns that nothing comes."""
    client = small_door(receive_timeout_seconds=30)

    async def answer() -> Answer:
        raise asyncio.CancelledError

    client.backend.answer = answer
    async with serving(client) as server, connected(server) as connection:
        connection.writer.write(CHARGE)
        assert await connection.ended()
