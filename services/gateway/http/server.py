"""Serves the door: a listening socket, its connections, and an end at which no request fails."""

import asyncio
import socket
from collections.abc import Mapping

from services.gateway.http.connections import Connections
from services.gateway.http.doors import Door
from services.gateway.http.protocol import HttpProtocol
from services.gateway.http.tls import HttpsDoor
from services.gateway.settings import GatewaySettings
from shared.open_files import connections_possible

BACKLOG = 2048
"""Connections that wait in the kernel to be accepted; a burst of new clients is not refused."""

KEEP_ALIVE_SECONDS = 75
"""Of an idle connection. Longer than the 60 seconds that proxies usually keep theirs, so that it is the proxy that closes and never sends a
request on a connection that is just being closed here."""

LINGER_SECONDS_MAX = 1.0
"""How long idle connections stay open at the end: a client that is about to send on one still gets its answer, and `Connection: close`."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket that other processes may share the port with (SO_REUSEPORT): the kernel spreads connections over them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


class HttpServer:
    """Serves a door on the running event loop, beside whatever else runs there; installs no signal handlers.

    Without `sock` it listens on the host and port of the settings.
    """

    def __init__(self, door: Door, settings: GatewaySettings, sock: socket.socket | None = None) -> None:
        self._door = door
        self._settings = settings
        self._sock = sock
        self._connections: Connections | None = None
        self._server: asyncio.Server | None = None
        self._clocks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """Return the port listened on. Only after `start`."""
        if self._sock is None:
            raise RuntimeError("the server is not started")
        return int(self._sock.getsockname()[1])

    def answered(self) -> Mapping[str, float]:
        """Return how many requests were answered, by status."""
        return {str(status): count for status, count in self._connections.answered.copy().items()} if self._connections is not None else {}

    async def start(self) -> None:
        """Begin to serve. Raises OSError where the address cannot be listened on, and BadTlsFile."""
        self._sock = self._sock or listening_socket(self._settings.host, self._settings.http_port)
        connections = self._connections = Connections(
            receive_timeout_seconds=self._settings.receive_timeout_seconds,
            keep_alive_seconds=KEEP_ALIVE_SECONDS,
            connections_max=connections_possible(self._settings.connections_max),
            per_address_max=self._settings.connections_per_address_max,
            trusted_proxies=self._settings.trusted_proxies,
        )
        https = HttpsDoor(self._settings.http_tls) if self._settings.http_tls is not None else None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: HttpProtocol(self._door, connections), sock=self._sock, backlog=BACKLOG, **(https.server_options if https else {})
        )
        self._clocks = [asyncio.create_task(_keep_date(connections))]
        if https is not None:
            self._clocks.append(asyncio.create_task(https.keep_renewed()))

    async def stop(self) -> None:
        """Stop without failing a request: accept no more connections, answer what is under way or still comes on open ones, close them.

        Requests that last longer than `drain_seconds` are cut off.
        """
        if self._server is None or self._connections is None:
            return
        connections = self._connections
        connections.draining = True
        self._server.close()
        for connection in connections.all():
            connection.end_after_response()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.drain_seconds
        await _emptied_before(connections, loop.time() + min(LINGER_SECONDS_MAX, self._settings.drain_seconds / 2))
        for connection in connections.all():
            connection.end_when_idle()
        await _emptied_before(connections, end)
        for connection in connections.all():
            connection.abort()
        for clock in self._clocks:
            clock.cancel()
        self._server = None


async def _emptied_before(connections: Connections, end: float) -> None:
    if connections.all():
        try:
            async with asyncio.timeout_at(end):
                await connections.emptied.wait()
        except TimeoutError:
            return


async def _keep_date(connections: Connections) -> None:
    while True:
        await asyncio.sleep(1)
        connections.set_date()
