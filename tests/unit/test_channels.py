"""Channels to services of many processes: each gets its share, and one that comes or goes is noticed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from shared.grpc_server import GrpcServer, Ports
from shared.local.ports import free_port
from shared.method_table import MethodTable
from shared.transport.channels import open_channel

CALLS = 20
SERVICE = "tests.Counting"


class Server:
    """One process of a service, and how many calls came to it."""

    def __init__(self, port: int, age_seconds: float = 600) -> None:
        self.calls = 0
        ports = Ports("127.0.0.1", port, connection_age_seconds=age_seconds)
        self._server = GrpcServer(MethodTable([], []), ports, with_reflection=False)
        handlers = {"Count": grpc.unary_unary_rpc_method_handler(self._count)}
        self._server._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    async def _count(self, request: bytes, _: object) -> bytes:
        self.calls += 1
        return request

    async def start(self) -> None:
        """Serve."""
        await self._server.start()

    async def stop(self) -> None:
        """Leave."""
        await self._server.stop(1)


@asynccontextmanager
async def running(*servers: Server) -> AsyncIterator[None]:
    """Run servers for a while."""
    for server in servers:
        await server.start()
    try:
        yield
    finally:
        for server in servers:
            await server.stop()


async def ask(channel: grpc.aio.Channel) -> None:
    """Make one call; raises grpc.aio.AioRpcError."""
    await channel.unary_unary(f"/{SERVICE}/Count")(b"", timeout=5, wait_for_ready=True)


async def ask_both(channel: grpc.aio.Channel, first: Server, second: Server) -> None:
    """Ask until both connections stand and both servers were asked. Raises TimeoutError when one never is."""
    async with asyncio.timeout(20):
        while not (first.calls and second.calls):
            await ask(channel)


async def test_calls_go_round_all_addresses() -> None:
    """Two processes behind one target get half of the calls each, over connections that stay."""
    ports = free_port(), free_port()
    first, second = (Server(port) for port in ports)
    async with running(first, second), open_channel(f"ipv4:127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}", None) as channel:
        await ask_both(channel, first, second)
        before = first.calls, second.calls
        for _ in range(CALLS):
            await ask(channel)
        assert (first.calls - before[0], second.calls - before[1]) == (CALLS // 2, CALLS // 2)


async def test_a_process_that_leaves_is_left_out() -> None:
    """No call fails: the other one gets them all."""
    ports = free_port(), free_port()
    first, second = (Server(port) for port in ports)
    async with open_channel(f"ipv4:127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}", None) as channel, running(second):
        async with running(first):
            await ask_both(channel, first, second)
        for _ in range(CALLS):
            await ask(channel)
    assert second.calls >= CALLS


async def test_connections_end_at_their_age_and_calls_go_on() -> None:
    """That is when a client looks the name up again, and finds who is new.

    The library sends a call that meets the end of a connection once more, and no more than once: connections live long enough here that a
    slow machine does not let the same call meet two.
    """
    port = free_port()
    async with running(server := Server(port, age_seconds=1.0)), open_channel(f"127.0.0.1:{port}", None) as channel:
        states = set()
        async with asyncio.timeout(20):
            await ask(channel)
            while grpc.ChannelConnectivity.IDLE not in states and grpc.ChannelConnectivity.CONNECTING not in states:
                states.add(channel.get_state())
                await ask(channel)
        assert server.calls > 1
