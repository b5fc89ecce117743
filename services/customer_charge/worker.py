"""The customer-charge worker: settles the pending charges of a slot, or the pending reversals, when it is woken; and delivers webhooks."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dramatiq
import grpc
import redis
import structlog

from services.customer_charge.domain.links import KnownLinks
from services.customer_charge.operations.read_work import read_charges_due, read_reversals_due
from services.customer_charge.operations.settle_charges import settle_slot
from services.customer_charge.operations.settle_reversals import settle_reversals
from services.customer_charge.reach import Reach
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.settle_watch import SettleWatch
from services.customer_charge.vendor_ledger import VendorCreditClient
from services.customer_charge.wakeups import QUEUE, REVERSAL_QUEUE, WEBHOOK_QUEUE, send_webhook_hint
from services.customer_charge.webhooks.building import build_deliveries
from services.customer_charge.webhooks.deliveries import Deliveries
from shared.cells import Cells
from shared.crash_points import arm
from shared.errors import ChargingError
from shared.guards import peer_tokens
from shared.scraped_metrics import ScrapedMetrics
from shared.settings import load_settings
from shared.telemetry import MetricsEndpoint, configure_logging, new_registry
from shared.tracing.opening import client_spans, open_cells, open_tracing
from shared.transport.channels import open_channel
from shared.wakeups.broker import DoorbellRedisBroker, build_broker
from shared.wakeups.loop_resource import LoopResource
from shared.wakeups.slot_lock import SlotLock
from shared.wakeups.worker import run_worker

if TYPE_CHECKING:
    from shared.tracing.tracing import Tracing

SERVICE = "customer_charge.worker"
HINT_SPACING_SECONDS = 0.1
STINT_SECONDS = 2.0
"""A worker lets go of a slot and takes it again after this long: its lock ends by itself after five seconds, and then others would begin to
settle the same charges beside it."""

log = structlog.get_logger(SERVICE)


@dataclass(frozen=True, slots=True)
class Tools:
    """What settling needs; made on the worker's event loop."""

    cells: Cells
    channel: grpc.aio.Channel
    ledger: VendorCreditClient
    deliveries: Deliveries | None
    watch: SettleWatch
    reach: Reach
    tracing: "Tracing | None"

    @classmethod
    async def open(
        cls, settings: CustomerChargeSettings, watch: SettleWatch, metrics: ScrapedMetrics, tracing: "Tracing | None"
    ) -> "Tools":
        """Connect to the database and to the vendor-credit service."""
        cells = open_cells(
            tracing,
            settings.database_url,
            "customer_charge",
            settings.cells,
            pool_size=settings.worker_threads,
            application_name=SERVICE,
        )
        metrics.database(cells)
        tokens = peer_tokens(settings, "customer_charge")
        channel = open_channel(settings.vendor_credit_address, settings.tls, client_spans(tracing))
        await cells.open()
        ledger = VendorCreditClient(channel, lambda: tokens.token("vendor_credit"))
        deliveries = build_deliveries(settings, cells)
        if deliveries is not None:
            deliveries.show(metrics)
        return cls(cells, channel, ledger, deliveries, watch, Reach(), tracing)

    async def close(self) -> None:
        """Break off deliveries, and disconnect."""
        if self.deliveries is not None:
            await self.deliveries.close()
        await self.channel.close()
        await self.cells.close()
        if self.tracing is not None:
            await self.tracing.close()


async def work_on(slot: int, tools: Tools, lock: SlotLock, links: KnownLinks, *, limit: int) -> None:
    """Settle a slot unless somebody else is at it; look again after letting go of it.

    A hint that came while the slot was held found the lock taken and is gone. The charges it spoke of were committed before it was sent,
    so the look after the release sees what the last look before it did not.
    """
    while True:
        async with lock.acquire(slot) as acquired:
            if not acquired:
                return
            await settle_slot(
                tools.cells,
                tools.ledger,
                slot,
                limit=limit,
                links=links,
                stint_seconds=STINT_SECONDS,
                watch=tools.watch.batch,
                reach=tools.reach,
            )
        if not await read_charges_due(tools.cells, slot, limit=1, reach=tools.reach):
            return


async def work_on_reversals(cell: int, tools: Tools, lock: SlotLock, *, limit: int) -> None:
    """Settle a cell's pending reversals unless somebody else is at it; look again after letting go, for the reason told above."""
    while True:
        async with lock.acquire(cell) as acquired:
            if not acquired:
                return
            await settle_reversals(tools.cells, cell, tools.ledger.reversals, limit=limit, reach=tools.reach)
        if not await read_reversals_due(tools.cells, cell, limit=1, reach=tools.reach):
            return


class WebhookHints:
    """Sends hints for the endpoints that something is due to, after charges were settled; at most ten looks a second at each cell.

    Without a hint an endpoint is found by the scheduler's sweep, a moment later.
    """

    def __init__(self, broker: DoorbellRedisBroker) -> None:
        self._broker = broker
        self._next_at: dict[int, float] = {}

    async def send(self, deliveries: Deliveries | None, cell: int) -> None:
        """Send a hint for each endpoint of a cell that is due. Never raises for a broker or database that is out of reach."""
        if deliveries is None or time.monotonic() < self._next_at.get(cell, 0.0):
            return
        self._next_at[cell] = time.monotonic() + HINT_SPACING_SECONDS
        try:
            for endpoint_id in await deliveries.due(cell):
                await asyncio.to_thread(send_webhook_hint, self._broker, endpoint_id)
        except (ChargingError, redis.RedisError) as error:
            log.info("webhook_hints.dropped", error=type(error).__name__)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load_settings(CustomerChargeSettings)
    configure_logging(settings, SERVICE)
    arm(settings, SERVICE)
    broker = build_broker(settings.redis_url)
    lock = SlotLock(settings.redis_url, prefix=QUEUE)
    reversal_lock = SlotLock(settings.redis_url, prefix=REVERSAL_QUEUE)
    registry = new_registry()
    metrics = ScrapedMetrics(registry)
    tracing = open_tracing(settings, SERVICE)
    watch = SettleWatch(registry, tracing)
    resource = LoopResource(lambda: Tools.open(settings, watch, metrics, tracing), Tools.close)
    endpoint = MetricsEndpoint(settings, registry)
    broker.add_middleware(resource)
    hints = WebhookHints(broker)
    links = KnownLinks()

    @dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name=QUEUE, max_retries=0)
    async def settle(slot: int) -> None:
        """Settle one slot. A lost, late, doubled or forged hint changes nothing: the rows decide."""
        try:
            tools = await resource.get()
            await work_on(slot, tools, lock, links, limit=settings.settle_batch)
            await hints.send(tools.deliveries, slot % len(tools.cells))
        except ChargingError as error:
            log.warning("settle.postponed", slot=slot, reason=error.reason)

    @dramatiq.actor(broker=broker, queue_name=REVERSAL_QUEUE, actor_name=REVERSAL_QUEUE, max_retries=0)
    async def settle_all_reversals(slot: int) -> None:
        """Settle the reversals of a cell; here too a hint changes nothing."""
        try:
            tools = await resource.get()
            await work_on_reversals(slot % len(tools.cells), tools, reversal_lock, limit=settings.settle_batch)
        except ChargingError as error:
            log.warning("reversals.postponed", cell=slot, reason=error.reason)

    @dramatiq.actor(broker=broker, queue_name=WEBHOOK_QUEUE, actor_name=WEBHOOK_QUEUE, max_retries=0)
    async def deliver(endpoint_id: int) -> None:
        """Begin to deliver to an endpoint. It does not wait for the other side: the worker's threads are for money."""
        tools = await resource.get()
        if tools.deliveries is not None:
            tools.deliveries.begin(endpoint_id)

    run_worker(
        broker,
        threads=settings.worker_threads,
        drain_seconds=settings.drain_seconds,
        on_ready=lambda: _working(endpoint),
        heartbeat_file=settings.heartbeat_file,
    )
    endpoint.stop()
    lock.close()
    reversal_lock.close()


def _working(endpoint: MetricsEndpoint) -> None:
    endpoint.start()
    log.info("working")


if __name__ == "__main__":
    main()
