"""Compose the customer-charge server."""

from charging.customer_charge.v1 import customer_charge_pb2_grpc as rpc
from charging.customer_charge.v1 import events_pb2_grpc as events_rpc
from charging.customer_charge.v1 import receipts_pb2_grpc as receipts_rpc
from charging.customer_charge.v1 import reconciliation_pb2_grpc as reconciliation_rpc
from charging.customer_charge.v1 import reversal_pb2_grpc as reversal_rpc
from charging.customer_charge.v1 import webhooks_pb2_grpc as webhooks_rpc

from services.customer_charge.acceptor import acceptor_kind
from services.customer_charge.dry_runs import DryRuns
from services.customer_charge.existence import Existence
from services.customer_charge.feed_watch import FeedWatches
from services.customer_charge.handlers.audit_log import AuditLogServicer
from services.customer_charge.handlers.books import BooksServicer
from services.customer_charge.handlers.charges import ChargeServicer
from services.customer_charge.handlers.customers import CustomerServicer
from services.customer_charge.handlers.events import EventIntakeServicer, EventServicer
from services.customer_charge.handlers.receipts import ReceiptServicer
from services.customer_charge.handlers.reconciliation import ReconciliationServicer
from services.customer_charge.handlers.reversals import ReversalServicer
from services.customer_charge.handlers.webhooks import WebhookServicer
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.settlement_watch import SettlementWatches
from services.customer_charge.storage.customers import existing_customers
from services.customer_charge.storage.reversals import final_reversals
from services.customer_charge.vendor_ledger import VendorCreditClient
from services.customer_charge.wakeups import QUEUE, REVERSAL_QUEUE, build_waker
from services.customer_charge.webhooks.building import secret_safe
from shared.auth.remote_trust import remote_fetch
from shared.auth.trust_state import TrustCopy
from shared.database import Database
from shared.database_checks import check_durability
from shared.documents.signing import DocumentSigner
from shared.grpc_server import GrpcServer, Ports
from shared.guards import QUEUE_TEXT, Guards, peer_tokens
from shared.scraped_metrics import ScrapedMetrics
from shared.telemetry import MetricsEndpoint, new_registry
from shared.tracing.opening import client_spans, open_cells, open_tracing
from shared.transport.channels import open_channel
from shared.wakeups.after_answers import AfterAnswers

SERVICE = "customer_charge"


class CustomerChargeApp:
    """The customer-charge server of one process. Build it inside the event loop."""

    def __init__(self, settings: CustomerChargeSettings) -> None:
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
        tokens = peer_tokens(settings, SERVICE)
        self._waker = build_waker(settings)
        self._wake = AfterAnswers(self._waker.wake)
        self._reversal_waker = build_waker(settings, REVERSAL_QUEUE)
        self._identity = open_channel(settings.identity_address, settings.tls)
        self._vendor_credit = open_channel(settings.vendor_credit_address, settings.tls, client_spans(self._tracing))
        ledger = VendorCreditClient(self._vendor_credit, lambda: tokens.token("vendor_credit"))
        self._trust = TrustCopy(remote_fetch(self._identity, tokens))
        self._guards = Guards(settings, SERVICE, self._trust, registry, metrics=metrics, tracing=self._tracing)
        self._waker.show(metrics, QUEUE)
        self._reversal_waker.show(metrics, REVERSAL_QUEUE)
        vendors, customers = Existence(ledger.existing), Existence(self._existing_customers)
        self.acceptor = acceptor_kind(self._tracing)(
            self.cells,
            slots=settings.settle_slots,
            vendors=vendors,
            customers=customers,
            wake=self._wake,
            observe=self._guards.observer("accept"),
        )
        metrics.gauge("charging_queue_depth", QUEUE_TEXT, lambda: self.acceptor.waiting, batcher="accept")
        dry_runs = DryRuns(vendors=vendors, customers=customers, ledger=ledger)
        self._watch = SettlementWatches(self.cells)
        self._reversal_watch = SettlementWatches(self.cells, final_reversals)
        self.table = self._guards.table(
            [
                (rpc.add_CustomerServiceServicer_to_server, CustomerServicer(self.cells)),
                (
                    rpc.add_ChargeServiceServicer_to_server,
                    ChargeServicer(self.cells, self.acceptor, dry_runs, self._watch),
                ),
                (
                    reversal_rpc.add_ReversalServiceServicer_to_server,
                    ReversalServicer(self.cells, self._reversal_watch, wake=self._reversal_waker.wake),
                ),
                (
                    reconciliation_rpc.add_ReconciliationServiceServicer_to_server,
                    ReconciliationServicer(self.cells, self.acceptor.require_vendor),
                ),
                (rpc.add_BooksServiceServicer_to_server, BooksServicer(self.cells, ledger)),
                (
                    receipts_rpc.add_ReceiptServiceServicer_to_server,
                    ReceiptServicer(self.cells, DocumentSigner(settings.keys_dir, settings.peer_name or SERVICE)),
                ),
                (events_rpc.add_EventServiceServicer_to_server, EventServicer(self.cells, FeedWatches(self.cells))),
                (events_rpc.add_EventIntakeServiceServicer_to_server, EventIntakeServicer(self.cells)),
                (rpc.add_AuditLogServiceServicer_to_server, AuditLogServicer(self.cells)),
                (
                    webhooks_rpc.add_WebhookServiceServicer_to_server,
                    WebhookServicer(self.cells, secret_safe(settings), development=settings.profile == "development"),
                ),
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
        self._watch.close()
        self._reversal_watch.close()
        self._guards.end_streams()
        await self.server.stop(self._settings.drain_seconds)
        await self.acceptor.close()
        await self._guards.close()
        await self._trust.close()
        await self._identity.close()
        await self._vendor_credit.close()
        await self.cells.close()
        self._wake.close()
        self._waker.close()
        self._reversal_waker.close()
        self._metrics.stop()

    def open_streams(self) -> int:
        """Return how many streams of events are open."""
        return self._guards.open_streams

    async def ready(self) -> bool:
        """Tell whether calls can be served: the database answers and tokens can be verified."""
        return self._trust.state is not None and await self.cells.ready()

    async def _existing_customers(self, customer_ids: set[int]) -> set[int]:
        parts = {self.cells.of(part[0]): part for part in self.cells.split(customer_ids, lambda customer_id: customer_id).values()}

        async def look(database: Database) -> set[int]:
            async with database.reading() as connection:
                return await existing_customers(connection, parts[database])

        return set().union(*await self.cells.gather(look, list(parts)))
