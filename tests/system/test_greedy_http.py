"""Clients of the HTTP door that are slow, many or greedy: each gets a refusal or is dropped, and others are served meanwhile."""

import asyncio
import socket
import struct
from collections import Counter

from shared.local.stack import Stack
from shared.open_files import raise_open_files
from tests.system.greedy import GREEDY, all_of, others_are_served, until
from tests.system.office import Office
from tests.system.raw_http2 import CHARGE, GOAWAY, RawConnection, charge_of, data, head

OF_EACH = 50
"""Slow clients of a kind."""

IDLE = 1_000
HEAD = b"POST /api/customer/increase-credit/ HTTP/1.1\r\nHost: door\r\n"
BATCH = b"POST /api/customer/increase-credit/batch/ HTTP/1.1\r\nHost: door\r\n"
HEALTH = b"GET /health/ HTTP/1.1\r\nHost: door\r\n\r\n"
DROPPED_SECONDS_MAX = 20
"""Twice the time that a client has to send a request."""


async def connected(stack: Stack) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the HTTP door as the greedy client."""
    return await asyncio.open_connection("127.0.0.1", stack.choices.ports["CHARGING_HTTP_PORT"], local_addr=(GREEDY, 0))


async def end_of(stack: Stack, *pieces: bytes, pause_seconds: float = 0.0) -> str:
    """Send pieces, and return the status line of the first answer, or what the end of the connection was."""
    reader, writer = await connected(stack)

    async def send() -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    sending = asyncio.create_task(send())
    try:
        answer = await reader.read(64)
    except ConnectionError:
        return "reset"
    finally:
        sending.cancel()
        await asyncio.wait({sending})
        writer.close()
    return answer.split(b"\r\n")[0].decode() or "closed"


async def slow_call_ends(stack: Stack, token: str) -> str:
    """Begin a gRPC call whose request never comes; return how it ended."""
    address = stack.environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"]
    connection = await RawConnection.open(address, GREEDY)
    await connection.send(head(1, CHARGE, token), data(1, b"\0\0\0\1\0", ends=False))
    await until(lambda: bool(connection.ended) or connection.closed)
    await connection.close()
    return "ended" if connection.ended else "closed"


async def silence_ends(stack: Stack) -> str:
    """Connect to a gRPC port and say nothing; return how it ended."""
    host, _, port = stack.environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=(GREEDY, 0))
    await reader.read()
    writer.close()
    return "closed"


async def test_slow_clients_are_dropped(stack: Stack, office: Office) -> None:
    """Heads, bodies, chunks and gRPC requests that never end, and connections that say nothing: over in seconds, at both doors."""
    token = office.partner().token
    sized = b"Content-Length: 60000\r\n\r\n"
    with others_are_served(stack, office):
        kinds = {
            "slow head": [end_of(stack, HEAD, *[b"X-A: b\r\n"] * 1_000, pause_seconds=0.2) for _ in range(OF_EACH)],
            "slow body": [end_of(stack, HEAD, sized, *[b" "] * 1_000, pause_seconds=0.2) for _ in range(OF_EACH)],
            "stalled body": [end_of(stack, HEAD, sized, b" " * 59_999) for _ in range(OF_EACH)],
            "slow chunks": [
                end_of(stack, HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 1_000, pause_seconds=0.2)
                for _ in range(OF_EACH)
            ],
            "slow gRPC": [slow_call_ends(stack, token) for _ in range(OF_EACH)],
            "silent gRPC": [silence_ends(stack) for _ in range(OF_EACH)],
        }
        tasks = {kind: [asyncio.create_task(client) for client in clients] for kind, clients in kinds.items()}
        await asyncio.wait([task for some in tasks.values() for task in some], timeout=DROPPED_SECONDS_MAX)
        ends = {kind: dict(Counter(task.result() if task.done() else "still there" for task in some)) for kind, some in tasks.items()}
    late = {"HTTP/1.1 408 Request Timeout": OF_EACH}
    assert ends == {
        **dict.fromkeys(("slow head", "slow body", "stalled body", "slow chunks"), late),
        "slow gRPC": {"ended": OF_EACH},
        "silent gRPC": {"closed": OF_EACH},
    }


async def test_a_thousand_idle_connections_at_each_door_are_borne(stack: Stack, office: Office) -> None:
    """They cost some memory, and nobody waits for them."""
    raise_open_files()
    address = stack.environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"]

    async def idle() -> RawConnection:
        reader, writer = await connected(stack)
        writer.write(HEALTH)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        return RawConnection(reader, writer)

    with others_are_served(stack, office):
        async with (
            all_of([idle() for _ in range(IDLE)]),
            all_of([RawConnection.open(address, GREEDY) for _ in range(IDLE)]) as grpc_connections,
        ):
            await until(lambda: all(each.seen for each in grpc_connections))
            assert not any(each.closed or each.seen[GOAWAY] for each in grpc_connections)
            last = grpc_connections[-1]
            partner = office.partner(credit=10)
            await last.send(head(1, CHARGE, partner.token), data(1, charge_of(partner.vendor, partner.customer)))
            await until(lambda: 1 in last.ended)


async def test_what_is_too_large_is_refused_before_it_has_arrived(stack: Stack, office: Office) -> None:
    """Huge heads, huge bodies with and without a token, bodies without an end: each hears why."""
    token = b"Authorization: Token %b\r\n" % office.partner().token.encode()
    mebibyte, chunk = b" " * (1 << 20), b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    with others_are_served(stack, office):
        refusals = await asyncio.gather(
            end_of(stack, HEAD, *[b"X-A: %b\r\n" % (b"b" * 1_000)] * 1_000),
            end_of(stack, b"GET /" + b"a" * 100_000),
            end_of(stack, BATCH, b"Content-Length: 4000000\r\n\r\n", *[mebibyte] * 4),
            end_of(stack, BATCH, b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 20),
            end_of(stack, BATCH, token, b"Content-Length: 400000000\r\n\r\n", *[mebibyte] * 100),
            end_of(stack, BATCH, token, b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 100),
            end_of(stack, HEAD, token, b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 100_000),
        )
    assert [each.split()[1] for each in refusals] == ["431", "431", "401", "401", "413", "413", "413"]


async def test_floods_ahead_half_closed_and_reset_connections_harm_nobody(stack: Stack, office: Office) -> None:
    """Who sends ahead and reads nothing is held back; who closes one half is answered; who resets is forgotten."""
    resetting = struct.pack("ii", 1, 0)

    async def reads_nothing() -> None:
        _, writer = await connected(stack)
        writer.write(b"GET /api/openapi.json HTTP/1.1\r\nHost: door\r\n\r\n" * 200_000)
        _, left = await asyncio.wait({asyncio.create_task(writer.drain())}, timeout=1)
        assert left, "the door has stopped reading"
        left.pop().cancel()
        writer.transport.abort()

    async def half_closes() -> str:
        reader, writer = await connected(stack)
        writer.write(HEALTH)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer.split(b"\r\n")[0].decode()

    async def resets() -> None:
        _, writer = await connected(stack)
        writer.write(HEAD + b"Content-Length: 50000\r\n\r\n" + b" " * 25_000)
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, resetting)
        writer.transport.abort()

    with others_are_served(stack, office):
        _, answers, _ = await asyncio.gather(
            asyncio.gather(*[reads_nothing() for _ in range(OF_EACH // 5)]),
            asyncio.gather(*[half_closes() for _ in range(OF_EACH)]),
            asyncio.gather(*[resets() for _ in range(4 * OF_EACH)]),
        )
    assert set(answers) == {"HTTP/1.1 200 OK"}
