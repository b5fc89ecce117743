"""Compose the vendor-credit server."""

from charging.vendor_credit.v1 import reversal_credit_pb2_grpc as reversal_rpc
from charging.vendor_credit.v1 import statements_pb2_grpc as statements_rpc
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc as rpc

from services.vendor_credit.domain.credit_requests import ApprovalRules
from services.vendor_credit.handlers.audit import VendorAuditServicer
from services.vendor_credit.handlers.audit_log import AuditLogServicer
from services.vendor_credit.handlers.credit_requests import CreditRequestServicer
from services.vendor_credit.handlers.debits import DebitServicer
from services.vendor_credit.handlers.reversal_credits import ReversalCreditServicer
from services.vendor_credit.handlers.statements import StatementServicer
from services.vendor_credit.handlers.vendors import VendorServicer
from services.vendor_credit.settings import VendorCreditSettings
from services.vendor_credit.wakeups import QUEUE, build_waker
from shared.auth.remote_trust import remote_fetch
from shared.auth.trust_state import TrustCopy
from shared.database_checks import check_durability
from shared.documents.signing import DocumentSigner
from shared.grpc_server import GrpcServer, Ports
from shared.guards import Guards, peer_tokens
from shared.scraped_metrics import ScrapedMetrics
from shared.telemetry import MetricsEndpoint, new_registry
from shared.tracing.opening import open_cells, open_tracing
from shared.transport.channels import open_channel

SERVICE = "vendor_credit"


class VendorCreditApp:
    """The vendor-credit server of one process. Build it inside the event loop."""

    def __init__(self, settings: VendorCreditSettings) -> None:
        self._settings = settings
        registry = new_registry()
        metrics = ScrapedMetrics(registry)
        self._tracing = open_tracing(settings, SERVICE)
        self.cells = open_cells(
            self._tracing,
            settings.database_url,
            SERVICE,
            settings.cells,
            pool_size=settings.database_pool_size,
            application_name=SERVICE,
        )
        metrics.database(self.cells)
        self._waker = build_waker(settings)
        self._identity = open_channel(settings.identity_address, settings.tls)
        self._trust = TrustCopy(remote_fetch(self._identity, peer_tokens(settings, SERVICE)))
        self._guards = Guards(settings, SERVICE, self._trust, registry, metrics=metrics, tracing=self._tracing)
        self._waker.show(metrics, QUEUE)
        self.table = self._guards.table(
            [
                (rpc.add_VendorServiceServicer_to_server, VendorServicer(self.cells)),
                (
                    rpc.add_CreditRequestServiceServicer_to_server,
                    CreditRequestServicer(
                        self.cells,
                        rules=ApprovalRules(settings.four_eyes, settings.second_approval_above),
                        expiry_days=settings.credit_request_expiry_days,
                        wake=self._waker.wake,
                    ),
                ),
                (
                    statements_rpc.add_StatementServiceServicer_to_server,
                    StatementServicer(self.cells, DocumentSigner(settings.keys_dir, settings.peer_name or SERVICE)),
                ),
                (rpc.add_DebitServiceServicer_to_server, DebitServicer(self.cells)),
                (reversal_rpc.add_ReversalCreditServiceServicer_to_server, ReversalCreditServicer(self.cells)),
                (rpc.add_VendorAuditServiceServicer_to_server, VendorAuditServicer(self.cells)),
                (rpc.add_AuditLogServiceServicer_to_server, AuditLogServicer(self.cells)),
            ]
        )
        self.server = GrpcServer(self.table, Ports.of(settings), with_reflection=settings.reflection, ready=self.ready)
        self._metrics = MetricsEndpoint(settings, registry)

    async def start(self) -> None:
        """Connect, check the database's durability, and serve. Raises DatabaseNotDurable."""
        await self.cells.open()
        for database in self.cells:
            async with database.reading() as connection:
                await check_durability(connection, self._settings.profile)
        self._trust.start()
        await self.server.start()
        self._metrics.start()

    async def stop(self) -> None:
        """Drain the calls in flight and close everything they used."""
        self._guards.end_streams()
        await self.server.stop(self._settings.drain_seconds)
        await self._guards.close()
        await self._trust.close()
        await self._identity.close()
        await self.cells.close()
        self._waker.close()
        self._metrics.stop()
        if self._tracing is not None:
            await self._tracing.close()

    async def ready(self) -> bool:
        """Tell whether calls can be served: the database answers and tokens can be verified."""
        return self._trust.state is not None and await self.cells.ready()
