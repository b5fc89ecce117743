"""The HTTP generator against a server of a few lines."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from benchmarks.charge_requests import batch_requests, charge_requests
from benchmarks.http_connection import HttpConnection
from benchmarks.http_load import SOURCES, generate
from benchmarks.load_plan import LoadPlan

PLAN = LoadPlan(
    port=0, vendors=(1, 2), tokens=("one", "two"), service_token="all", customers=(7, 8), seconds=5.0, in_flight=2, limit=20, run="r"
)


@asynccontextmanager
async def server(answers: list[bytes]) -> AsyncIterator[int]:
    """Serve the answers in turn, over and over; one that ends the connection says so. Gives the port."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                answer = answers[count % len(answers)]
                count += 1
                writer.write(answer)
                if not answer or b"connection: close" in answer:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def test_closed_loop_counts_answers_by_status_and_reason() -> None:
    """Accepted and refused calls are told apart, and refusals keep their reason."""
    refusal = b'HTTP/1.1 429 Too Many Requests\r\ncontent-length: 26\r\n\r\n{"reason": "OVER_LIMIT" }  '
    async with server([b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}", refusal]) as port:
        report = await generate(replace(PLAN, port=port))
    assert report.calls == 20
    assert report.statuses == {"202": 10, "429": 10}
    assert report.reasons == {"OVER_LIMIT": 10}
    assert report.acknowledged == 10


async def test_lost_and_closed_connections_are_replaced() -> None:
    """A request without an answer is counted as broken; the next goes over a new connection."""
    closing = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    async with server([closing, b"", b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]) as port:
        report = await generate(replace(PLAN, port=port, limit=9))
    assert report.calls == 9
    assert report.statuses == {"202": 3, "503": 3}
    assert report.broken == 3


async def test_open_loop_sends_at_its_own_rate() -> None:
    """Calls begin when they are due, until the limit."""
    async with server([b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"]) as port:
        report = await generate(replace(PLAN, port=port, rate=2000.0, in_flight=8))
    assert report.statuses == {"202": 20}
    assert report.p50_ms > 0


async def test_callers_who_give_up_leave_no_queue_behind() -> None:
    """With one connection and slow answers nearly all of them go away; without giving up each is sent once its turn has come."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                asyncio.get_running_loop().call_later(0.02, writer.write, b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        plan = replace(PLAN, port=port, rate=2000.0, in_flight=1, limit=0, seconds=0.5)
        patient = await generate(plan)
        hurried = await generate(replace(plan, gives_up=True))
    assert asked == patient.calls + hurried.calls
    assert hurried.unsent > 10 * hurried.calls
    assert hurried.p99_ms < patient.p99_ms / 2  # nobody waited for the connection before


async def test_callers_come_from_several_addresses() -> None:
    """One address may open only so many connections at a server of ours."""
    seen = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.add(writer.get_extra_info("peername")[0])
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        await generate(replace(PLAN, port=listener.sockets[0].getsockname()[1], in_flight=8))
    assert seen == set(SOURCES)


async def test_an_answer_may_arrive_in_pieces() -> None:
    """It is reported once, when its last byte is there."""
    seen: list[tuple[int, bytes]] = []
    connection = HttpConnection(lambda _, status, body: seen.append((status, body)))
    connection.busy = True
    for piece in (b"HTTP/1.1 202 Acc", b"epted\r\nContent-Length: 4\r\n\r", b"\nab", b"cd"):
        connection.data_received(piece)
    assert seen == [(202, b"abcd")]


async def test_what_nobody_asked_for_is_no_answer() -> None:
    """A server ends connections that brought no request: counted, such a word would stand for a call that still waits."""
    seen: list[tuple[int, bytes]] = []
    connection = HttpConnection(lambda _, status, body: seen.append((status, body)))
    connection.open = True
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    assert seen == []
    assert not connection.open


def test_every_request_has_a_key_of_its_own_and_the_vendors_token() -> None:
    """The token sent is that of the partner who owns the vendor."""
    requests = charge_requests(replace(PLAN, wait_every=10))
    made = [next(requests) for _ in range(50)]
    keys = {request.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0] for request, _ in made}
    assert len(keys) == 50
    assert sum(waits for _, waits in made) == 5
    for request, waits in made:
        head, _, body = request.partition(b"\r\n\r\n")
        assert json.loads(body)["vendor"] == {b"one": 1, b"two": 2}[head.partition(b"Token ")[2].partition(b"\r\n")[0]]
        assert f"Content-Length: {len(body)}".encode() in head
        assert (b"Prefer: wait" in head) == waits


def test_bulk_requests_never_repeat_a_key() -> None:
    """Each item has its own, over all calls of a run."""
    requests = batch_requests(replace(PLAN, items=10))
    bodies = [json.loads(next(requests)[0].partition(b"\r\n\r\n")[2]) for _ in range(3)]
    assert len({item["idempotency_key"] for body in bodies for item in body["items"]}) == 30
