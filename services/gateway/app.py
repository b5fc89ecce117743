"""Compose the gateway: the HTTP door, and identity over gRPC."""

from typing import TYPE_CHECKING

import grpc
from charging.customer_charge.v1 import customer_charge_pb2, events_pb2, receipts_pb2, reconciliation_pb2, reversal_pb2, webhooks_pb2
from charging.identity.v1 import identity_pb2, keys_pb2
from charging.identity.v1.keys_pb2_grpc import add_KeyServiceServicer_to_server
from charging.vendor_credit.v1 import statements_pb2, vendor_credit_pb2
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.gateway.console.app import PREFIX, Console
from services.gateway.handlers.key_service import KeyService
from services.gateway.http.app import build_app
from services.gateway.http.doors import Door
from services.gateway.http.server import HttpServer
from services.gateway.identity import build_identity
from services.gateway.sandbox.door import SandboxDoor
from services.gateway.settings import GatewaySettings
from services.gateway.vendor_directory import VendorDirectory
from shared.auth.peer_tokens import PeerTokenSource
from shared.database_checks import check_durability
from shared.grpc_common_services import READY_SECONDS
from shared.grpc_server import GrpcServer, Ports
from shared.guards import QUEUE_TEXT, Guards, peer_tokens
from shared.scraped_metrics import ScrapedMetrics
from shared.shared_answer import SharedAnswer
from shared.telemetry import MetricsEndpoint, new_registry
from shared.tls.files import TlsFiles
from shared.tracing.opening import open_database, open_tracing
from shared.transport.backend import Backend
from shared.transport.channels import open_channel
from shared.transport.dispatch import LocalBackend
from shared.transport.envelope_client import EnvelopeBackend

if TYPE_CHECKING:
    from shared.tracing.tracing import Tracing

SERVICE = "gateway"
HEALTH_TIMEOUT_SECONDS = 1.5
"""A little more than a service takes to find its own database silent."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def services_of(file: FileDescriptor) -> list[ServiceDescriptor]:
    """Return the services of a proto file."""
    return list(file.services_by_name.values())


class GatewayApp:
    """The gateway of one process. Build it inside the event loop."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Raise SystemExit when the development profile, whose passwords everybody knows, would listen beyond this machine.

        Likewise for a sandbox in any other profile.
        """
        if settings.profile == "development" and settings.host not in LOOPBACK:
            raise SystemExit(f"setting CHARGING_HOST: the development profile listens on loopback only, not on {settings.host}")
        if settings.sandbox and settings.profile != "development":
            raise SystemExit("setting CHARGING_SANDBOX: the sandbox, which withholds and makes up answers, is for the development profile")
        self._settings = settings
        registry = new_registry()
        metrics = ScrapedMetrics(registry)
        self._tracing = open_tracing(settings, SERVICE)
        self.database = open_database(
            self._tracing, settings.database_url, settings.database_schema, pool_size=settings.database_pool_size, application_name=SERVICE
        )
        metrics.database(self.database)
        tokens = peer_tokens(settings, SERVICE)
        self._remotes = {
            "vendor_credit": _Remote("vendor_credit", settings.vendor_credit_address, settings.tls, tokens),
            "customer_charge": _Remote("customer_charge", settings.customer_charge_address, settings.tls, tokens),
        }
        self._identity = build_identity(settings, self.database, vendors=self._remotes["vendor_credit"].vendors)
        self._guards = Guards(settings, SERVICE, self._identity.trust, registry, metrics=metrics, tracing=self._tracing)
        for name, remote in self._remotes.items():
            metrics.gauge("charging_queue_depth", QUEUE_TEXT, remote.envelopes_waiting, batcher=f"envelope.{name}")
        keys = (add_KeyServiceServicer_to_server, KeyService(settings.keys_dir))
        self.table = self._guards.table([*self._identity.servicers, keys])
        self.grpc_server = GrpcServer(self.table, Ports.of(settings), with_reflection=settings.reflection, ready=self.database.ready)
        local = _traced(LocalBackend(self.table), "identity", self._tracing)
        remote_of = {name: _traced(remote.backend, f"envelope {name}", self._tracing) for name, remote in self._remotes.items()}
        homes: list[tuple[FileDescriptor, Backend]] = [
            (identity_pb2.DESCRIPTOR, local),
            (keys_pb2.DESCRIPTOR, local),
            (vendor_credit_pb2.DESCRIPTOR, remote_of["vendor_credit"]),
            (statements_pb2.DESCRIPTOR, remote_of["vendor_credit"]),
            (customer_charge_pb2.DESCRIPTOR, remote_of["customer_charge"]),
            (events_pb2.DESCRIPTOR, remote_of["customer_charge"]),
            (webhooks_pb2.DESCRIPTOR, remote_of["customer_charge"]),
            (receipts_pb2.DESCRIPTOR, remote_of["customer_charge"]),
            (reconciliation_pb2.DESCRIPTOR, remote_of["customer_charge"]),
            (reversal_pb2.DESCRIPTOR, remote_of["customer_charge"]),
        ]
        door = build_app(
            [service for file, _ in homes for service in services_of(file)],
            {service.full_name: backend for file, backend in homes for service in services_of(file)},
            settings,
            SharedAnswer(self.ready, seconds=READY_SECONDS),
            {PREFIX: Console()} if settings.console else None,
            verify=self._guards.caller_of,
        )
        metrics.gauge("charging_http_requests_in_flight", "API requests that the HTTP door works on.", lambda: door.requests_in_flight)
        outer = SandboxDoor(door) if settings.sandbox else door
        self.http_server = HttpServer(outer if self._tracing is None else _traced_door(outer, self._tracing), settings)
        metrics.counters("charging_http_responses", "Requests that the HTTP door answered.", "status", self.http_server.answered)
        self._metrics = MetricsEndpoint(settings, registry)

    async def start(self) -> None:
        """Connect, check the database's durability, and serve. Raises DatabaseNotDurable."""
        await self.database.open()
        async with self.database.reading() as connection:
            await check_durability(connection, self._settings.profile)
        await self._identity.start()
        await self.grpc_server.start()
        await self.http_server.start()
        self._metrics.start()

    async def stop(self) -> None:
        """Drain the calls in flight, the outer door first, and close everything they used."""
        for remote in self._remotes.values():
            remote.backend.stop_waiting()
        await self.http_server.stop()
        self._guards.end_streams()
        await self.grpc_server.stop(self._settings.drain_seconds)
        for remote in self._remotes.values():
            await remote.close()
        await self._guards.close()
        await self._identity.close()
        await self.database.close()
        self._metrics.stop()
        if self._tracing is not None:
            await self._tracing.close()

    async def ready(self) -> dict[str, bool]:
        """Tell for each part that this process uses whether it answers."""
        own = {"database": await self.database.ready(), "redis": await self._guards.redis_ready()}
        return own | {name: await remote.ready() for name, remote in self._remotes.items()}


def _traced(backend: Backend, name: str, tracing: "Tracing | None") -> Backend:
    """Return a backend whose calls get spans, the backend itself where traces are off."""
    if tracing is None:
        return backend
    from shared.tracing.transport import TracedBackend

    return TracedBackend(backend, tracing, name)


def _traced_door(door: Door, tracing: "Tracing") -> Door:
    from services.gateway.traced_door import TracedDoor

    return TracedDoor(door, tracing)


class _Remote:
    """Another service: its channel, its envelopes, and its health."""

    def __init__(self, service: str, address: str, tls: TlsFiles | None, tokens: PeerTokenSource) -> None:
        self._channel = open_channel(address, tls)
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self.vendors = VendorDirectory(self._channel, lambda: tokens.token(service))
        self.backend = EnvelopeBackend(self._channel, lambda: tokens.token(service), name=service)

    def envelopes_waiting(self) -> int:
        """Return how many calls wait for an envelope."""
        return self.backend.waiting

    async def ready(self) -> bool:
        """Tell whether the service says that it serves."""
        try:
            answer = await self._health.Check(  # type: ignore[attr-defined]  # missing from the published type stubs
                health_pb2.HealthCheckRequest(), timeout=HEALTH_TIMEOUT_SECONDS
            )
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def close(self) -> None:
        """Wait for what is under way and disconnect."""
        await self.backend.close()
        await self._channel.close()
