"""Serve a method table over gRPC, with health and reflection beside it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, Self

import grpc

from shared.grpc_common_services import Health, Reflection
from shared.method_table import MethodTable
from shared.tls.credentials import server_credentials
from shared.tls.files import TlsFiles
from shared.transport.channels import MAX_MESSAGE_BYTES

CONNECTIONS_MAX = 4_000
"""Open connections of one port; more are closed at once. An idle one costs some 25 KiB."""

PENDING_MAX = 5_000
"""Calls that have arrived and that nobody has looked at yet, which is a matter of milliseconds. Beyond so many the library drops some by
chance, beyond twice as many all: with CANCELLED and without a reason. Its own 1,000 are what one greedy connection may send at once, and
then well-behaved callers met that."""

UNASKED_BYTES = 64 * 1024
"""What a client may send of a request before anybody asks for it. Left to itself gRPC takes 4 MiB of each of a thousand calls, from whoever
connects. Once a request is asked for, all of it may come."""

OPTIONS = (
    ("grpc.so_reuseport", 1),  # N processes on one machine share the port
    ("grpc.max_allowed_incoming_connections", CONNECTIONS_MAX),
    # Who connects and says nothing is dropped; the default waits two minutes.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),  # of a compressed message: before and after
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1_000),
    ("grpc.server.max_pending_requests", PENDING_MAX),
    ("grpc.server.max_pending_requests_hard_limit", 2 * PENDING_MAX),
    # The probe would widen the window again, up to what the network carries.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", UNASKED_BYTES),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class ServerSettings(Protocol):
    """The settings that say where a process listens."""

    host: str
    grpc_port: int
    grpc_peer_port: int
    connection_age_seconds: float

    @property
    def tls(self) -> TlsFiles | None:
        """Return the files of TLS, None for none."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a process is reached by gRPC. Without `tls`, unencrypted; with it, who comes to `peer_port` shows a certificate.

    Without a `peer_port` (0) that holds for `port`, which else asks for none, so that partners need a token only. Connections end at their
    age, give or take a tenth; a call on them is let finish.
    """

    host: str
    port: int
    peer_port: int = 0
    tls: TlsFiles | None = None
    connection_age_seconds: float = 1800.0

    @classmethod
    def of(cls, settings: ServerSettings) -> Self:
        """Return the ports that the settings name."""
        return cls(settings.host, settings.grpc_port, settings.grpc_peer_port, settings.tls, settings.connection_age_seconds)

    def open(self, server: grpc.aio.Server) -> int:
        """Let the server listen, and return the number of the ordinary port. Raises RuntimeError for a port that is taken."""
        if self.tls is None:
            return server.add_insecure_port(self._at(self.port))
        if self.peer_port:
            server.add_secure_port(self._at(self.peer_port), server_credentials(self.tls, clients_certified=True))
        return server.add_secure_port(self._at(self.port), server_credentials(self.tls, clients_certified=not self.peer_port))

    def _at(self, port: int) -> str:
        return f"{self.host}:{port}"


class GrpcServer:
    """The gRPC ports of one process."""

    def __init__(
        self, table: MethodTable, ports: Ports, *, with_reflection: bool, ready: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """`ready` decides what grpc.health.v1 says of the whole process (the empty service name)."""
        self._server = grpc.aio.server(options=(*OPTIONS, ("grpc.max_connection_age_ms", int(ports.connection_age_seconds * 1000))))
        table.register(self._server)
        self._health = Health(ready)
        self._health.register(self._server)
        if with_reflection:
            Reflection(sorted({name.split("/")[1] for name in table.handlers})).register(self._server)
        self.port = ports.open(self._server)

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()

    async def stop(self, drain_seconds: float) -> None:
        """Say that this process leaves, refuse new calls, and let those in flight end."""
        self._health.leaving = True
        await self._server.stop(drain_seconds)
