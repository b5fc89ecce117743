"""The vendor-credit worker: posts approved credit when it is woken."""

import dramatiq
import structlog

from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.settings import VendorCreditSettings
from services.vendor_credit.wakeups import QUEUE
from shared.crash_points import arm
from shared.database import Database
from shared.errors import ChargingError
from shared.settings import load_settings
from shared.telemetry import configure_logging
from shared.wakeups.broker import build_broker
from shared.wakeups.loop_resource import LoopResource
from shared.wakeups.worker import run_worker

SERVICE = "vendor_credit.worker"
log = structlog.get_logger(SERVICE)


async def open_database(settings: VendorCreditSettings) -> Database:
    """Return an open pool. Call it on the event loop that will use it."""
    database = Database(settings.database_url, settings.database_schema, pool_size=settings.worker_threads, application_name=SERVICE)
    await database.open()
    return database


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load_settings(VendorCreditSettings)
    configure_logging(settings, SERVICE)
    arm(settings, SERVICE)
    broker = build_broker(settings.redis_url)
    resource = LoopResource(lambda: open_database(settings), Database.close)
    broker.add_middleware(resource)

    @dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name=QUEUE, max_retries=0)
    async def post(vendor_id: int) -> None:
        """Post what is approved for one vendor. A lost, late, doubled or forged hint changes nothing: the rows decide."""
        try:
            await post_credit(await resource.get(), [vendor_id])
        except ChargingError as error:
            log.warning("post.postponed", vendor_id=vendor_id, reason=error.reason)

    run_worker(
        broker,
        threads=settings.worker_threads,
        drain_seconds=settings.drain_seconds,
        on_ready=lambda: log.info("working"),
        heartbeat_file=settings.heartbeat_file,
    )


if __name__ == "__main__":
    main()
