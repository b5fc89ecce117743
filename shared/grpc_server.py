"""Serve a method table over gRPC, with health and reflection beside it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, Self

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from shared.interceptors.types import Context
from shared.method_table import MethodTable
from shared.tls.credentials import server_credentials
from shared.tls.files import TlsFiles
from shared.transport.channels import MAX_MESSAGE_BYTES

MAX_CONNECTION_AGE_MS = 30 * 60 * 1000
"""Clients reconnect this often, so that new replicas get their share."""

OPTIONS = (
    ("grpc.so_reuseport", 1),  # N processes on one machine share the port
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1_000),
    ("grpc.max_connection_age_ms", MAX_CONNECTION_AGE_MS),
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

    @property
    def tls(self) -> TlsFiles | None:
        """Return the files of TLS, None for none."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a process is reached by gRPC. Without `tls`, unencrypted; with it, who comes to `peer_port` shows a certificate.

    Without a `peer_port` (0) that holds for `port`, which else asks for none, so that partners need a token only.
    """

    host: str
    port: int
    peer_port: int = 0
    tls: TlsFiles | None = None

    @classmethod
    def of(cls, settings: ServerSettings) -> Self:
        """Return the ports that the settings name."""
        return cls(settings.host, settings.grpc_port, settings.grpc_peer_port, settings.tls)

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
        self._server = grpc.aio.server(options=OPTIONS)
        table.register(self._server)
        self._health = _Health(ready)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if with_reflection:
            services = sorted({name.split("/")[1] for name in table.handlers})
            reflection.enable_server_reflection(
                [*services, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server, descriptor_pool.Default()
            )
        self.port = ports.open(self._server)

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()

    async def stop(self, drain_seconds: float) -> None:
        """Say that this process leaves, refuse new calls, and let those in flight end."""
        self._health.leaving = True
        await self._server.stop(drain_seconds)


class _Health(health_pb2_grpc.HealthServicer):
    """grpc.health.v1: SERVING while the process is ready and not leaving."""

    def __init__(self, ready: Callable[[], Awaitable[bool]] | None) -> None:
        self._ready = ready
        self.leaving = False

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        """Tell whether calls are welcome. Only the process as a whole has a health, under the empty name."""
        if request.service:
            await context.abort(grpc.StatusCode.NOT_FOUND, "only the empty service name has a health")
        serving = not self.leaving and (self._ready is None or await self._ready())
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Refuse: whoever wants to know asks again."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Watch is not served; use Check")
