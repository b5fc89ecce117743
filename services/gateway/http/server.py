"""Serves the app: a listening socket, uvicorn's parser and request cycle, and an end at which no request fails."""

import asyncio
import socket
from email.utils import formatdate

from uvicorn.config import Config
from uvicorn.server import ServerState

from services.gateway.http.asgi import App
from services.gateway.http.protocol import Connections, HttpProtocol, protocol_of
from services.gateway.settings import GatewaySettings

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
    """Serves an ASGI app on the running event loop, beside whatever else runs there; installs no signal handlers.

    Without `sock` it listens on the host and port of the settings. uvicorn's own Server is not used: it wants the process's signals, cuts
    idle connections off at once at its end, and wakes up ten times a second.
    """

    def __init__(self, app: App, settings: GatewaySettings, sock: socket.socket | None = None) -> None:
        self._settings = settings
        self._sock = sock
        self._state = ServerState()
        self._shared = Connections(receive_timeout_seconds=settings.receive_timeout_seconds, connections_max=settings.connections_max)
        self._config = Config(
            app,
            ws="none",
            loop="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # the client's address is worked out by the app, which knows whom to trust
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._server: asyncio.Server | None = None
        self._clock: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Return the port listened on. Only after `start`."""
        if self._sock is None:
            raise RuntimeError("the server is not started")
        return int(self._sock.getsockname()[1])

    async def start(self) -> None:
        """Begin to serve. Raises OSError where the address cannot be listened on."""
        self._config.load()
        self._sock = self._sock or listening_socket(self._settings.host, self._settings.http_port)
        self._set_date()
        self._clock = asyncio.create_task(self._keep_date())
        protocol = protocol_of(self._shared)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: protocol(config=self._config, server_state=self._state, app_state={}), sock=self._sock, backlog=BACKLOG
        )

    async def stop(self) -> None:
        """Stop without failing a request: accept no more connections, answer what is under way or still comes on open ones, close them.

        Requests that last longer than `drain_seconds` are cut off.
        """
        if self._server is None or self._clock is None:
            return
        self._shared.draining = True
        self._server.close()
        for connection in self._connections():
            connection.end_after_response()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.drain_seconds
        await self._emptied_before(loop.time() + min(LINGER_SECONDS_MAX, self._settings.drain_seconds / 2))
        for connection in self._connections():
            connection.shutdown()
        await self._emptied_before(end)
        for connection in self._connections():
            connection.transport.abort()
        self._clock.cancel()
        self._server = self._clock = None

    def _connections(self) -> list[HttpProtocol]:
        return [connection for connection in self._state.connections if isinstance(connection, HttpProtocol)]

    async def _emptied_before(self, end: float) -> None:
        if self._state.connections:
            try:
                async with asyncio.timeout_at(end):
                    await self._shared.emptied.wait()
            except TimeoutError:
                return

    async def _keep_date(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._set_date()

    def _set_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
