"""A TLS server in front of an engine that knows no TLS, as the engines do that production uses."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.local.ports import LOOPBACK

POSTGRES_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""What a PostgreSQL client asks with before it begins TLS (Frontend/Backend Protocol, SSLRequest)."""


@asynccontextmanager
async def encrypted(port: int, trust: ssl.SSLContext, *, postgres: bool = False) -> AsyncIterator[int]:
    """Give a port at which the server of `port` is reached by TLS; with `postgres`, after PostgreSQL's own request for it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if postgres:
                assert await reader.readexactly(len(POSTGRES_SSL_REQUEST)) == POSTGRES_SSL_REQUEST
                writer.write(b"S")
                await writer.start_tls(trust)
            behind = await asyncio.open_connection(LOOPBACK, port)
            await asyncio.gather(_pass_on(reader, behind[1]), _pass_on(behind[0], writer))
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=None if postgres else trust)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
