"""Serve a method table over gRPC, with health and reflection beside it."""

from collections.abc import Awaitable, Callable

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from shared.interceptors.types import Context
from shared.method_table import MethodTable
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


class GrpcServer:
    """One gRPC port of one process."""

    def __init__(
        self, table: MethodTable, *, host: str, port: int, with_reflection: bool, ready: Callable[[], Awaitable[bool]] | None = None
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
        self.port = self._server.add_insecure_port(f"{host}:{port}")

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
