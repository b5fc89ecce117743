"""The gRPC port with certificates."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared import grpc_server
from shared.grpc_server import OPTIONS, GrpcServer, Ports
from shared.method_table import MethodTable
from tests.certificates import Certificates

HANDSHAKE = "grpc.server_handshake_timeout_ms"


@pytest_asyncio.fixture
async def port(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Give the port of a server without methods that waits for a handshake for a moment only."""
    patient = [option for option in OPTIONS if option[0] != HANDSHAKE]
    assert len(patient) == len(OPTIONS) - 1
    monkeypatch.setattr(grpc_server, "OPTIONS", (*patient, (HANDSHAKE, 300)))
    ports = Ports("127.0.0.1", 0, tls=certificates.issue("127.0.0.1"))
    server = GrpcServer(MethodTable([], []), ports, with_reflection=False)
    await server.start()
    yield server.port
    await server.stop(0)


async def test_who_connects_and_says_nothing_is_dropped(port: int) -> None:
    """A place is not held by silence."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    assert await asyncio.wait_for(reader.read(), 10) == b""

    writer.close()
