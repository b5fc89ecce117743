"""The vendor-credit worker: posts approved credit when it is woken, and tells the feed of events."""

from dataclasses import dataclass

import dramatiq
import grpc
import structlog

from services.vendor_credit.event_feed import EventFeedClient
from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.operations.relay_facts import relay_facts_of_cell
from services.vendor_credit.settings import VendorCreditSettings
from services.vendor_credit.wakeups import QUEUE
from shared.cells import Cells
from shared.crash_points import arm
from shared.errors import ChargingError
from shared.guards import peer_tokens
from shared.scraped_metrics import ScrapedMetrics
from shared.settings import load_settings
from shared.telemetry import MetricsEndpoint, configure_logging, new_registry
from shared.tracing.opening import open_cells
from shared.transport.channels import open_channel
from shared.wakeups.broker import build_broker
from shared.wakeups.loop_resource import LoopResource
from shared.wakeups.worker import run_worker

SERVICE = "vendor_credit.worker"
log = structlog.get_logger(SERVICE)


@dataclass(frozen=True, slots=True)
class Tools:
    """What posting needs; made on the worker's event loop."""

    cells: Cells
    channel: grpc.aio.Channel
    feed: EventFeedClient

    @classmethod
    async def open(cls, settings: VendorCreditSettings, metrics: ScrapedMetrics) -> "Tools":
        """Connect to the database and to the customer-charge service."""
        cells = open_cells(
            None, settings.database_url, "vendor_credit", settings.cells, pool_size=settings.worker_threads, application_name=SERVICE
        )
        metrics.database(cells)
        tokens = peer_tokens(settings, "vendor_credit")
        channel = open_channel(settings.customer_charge_address, settings.tls)
        await cells.open()
        return cls(cells, channel, EventFeedClient(channel, lambda: tokens.token("customer_charge")))

    async def close(self) -> None:
        """Disconnect."""
        await self.channel.close()
        await self.cells.close()


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load_settings(VendorCreditSettings)
    configure_logging(settings, SERVICE)
    arm(settings, SERVICE)
    broker = build_broker(settings.redis_url)
    registry = new_registry()
    metrics = ScrapedMetrics(registry)
    resource = LoopResource(lambda: Tools.open(settings, metrics), Tools.close)
    endpoint = MetricsEndpoint(settings, registry)
    broker.add_middleware(resource)

    @dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name=QUEUE, max_retries=0)
    async def post(vendor_id: int) -> None:
        """Post what is approved for one vendor. A lost, late, doubled or forged hint changes nothing: the rows decide."""
        try:
            tools = await resource.get()
            await post_credit(tools.cells, [vendor_id])
            await relay_facts_of_cell(tools.cells.of(vendor_id), tools.feed)
        except ChargingError as error:
            log.warning("post.postponed", vendor_id=vendor_id, reason=error.reason)

    run_worker(
        broker,
        threads=settings.worker_threads,
        drain_seconds=settings.drain_seconds,
        on_ready=lambda: _working(endpoint),
        heartbeat_file=settings.heartbeat_file,
    )
    endpoint.stop()


def _working(endpoint: MetricsEndpoint) -> None:
    endpoint.start()
    log.info("working")


if __name__ == "__main__":
    main()
