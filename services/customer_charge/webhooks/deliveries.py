"""Deliveries of one process: some at a time, beside whatever else runs on its event loop, and the look for what is due."""

import asyncio

import structlog

from services.customer_charge.operations.deliver_webhooks import Delivery, deliver_events
from services.customer_charge.storage import webhook_deliveries
from shared.clock import utc_now
from shared.errors import ChargingError
from shared.scraped_metrics import ScrapedMetrics

SIDE_BY_SIDE_MAX = 32
"""Endpoints that one process delivers to at a time. Most of the time of a delivery is waiting for the other side."""

log = structlog.get_logger(__name__)


class Deliveries:
    """Runs deliveries in tasks of their own, one at a time for each endpoint."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._running: dict[int, asyncio.Task[None]] = {}

    def begin(self, endpoint_id: int) -> bool:
        """Begin to deliver to an endpoint; tell whether that was begun. Nobody waits for it: the rows say what is left to do."""
        if endpoint_id in self._running or len(self._running) >= SIDE_BY_SIDE_MAX:
            return False
        task = asyncio.create_task(self._run(endpoint_id))
        self._running[endpoint_id] = task
        task.add_done_callback(lambda _: self._running.pop(endpoint_id, None))
        return True

    async def due(self, cell: int) -> list[int]:
        """Return a cell's endpoints that something is to be sent to and that this process is not sending to. Raises Unavailable."""
        async with self._delivery.cells[cell].reading() as connection:
            found = await webhook_deliveries.due_endpoints(connection, utc_now(), limit=2 * SIDE_BY_SIDE_MAX)
        return [endpoint_id for endpoint_id in found if endpoint_id not in self._running]

    async def sweep(self, cell: int) -> int:
        """Begin whatever is due in a cell, whoever was hinted at it; return how many deliveries were begun. Raises Unavailable."""
        return sum([self.begin(endpoint_id) for endpoint_id in await self.due(cell)])

    def show(self, metrics: ScrapedMetrics) -> None:
        """Show the attempts of this process, by outcome."""
        for outcome, read in (("delivered", lambda: self._delivery.sender.delivered), ("failed", lambda: self._delivery.sender.failed)):
            metrics.counter("charging_webhook_attempts", "Attempts to deliver an event.", read, outcome=outcome)

    async def settled(self) -> None:
        """Wait until nothing runs."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def close(self) -> None:
        """Break off what runs: an attempt that is cut may have been taken, and is made again under the same name."""
        for task in list(self._running.values()):
            task.cancel()
        await self.settled()

    async def _run(self, endpoint_id: int) -> None:
        try:
            await deliver_events(self._delivery, endpoint_id)
        except ChargingError as error:
            log.warning("webhook.postponed", endpoint_id=endpoint_id, reason=error.reason)
        except Exception:
            log.exception("webhook.failed", endpoint_id=endpoint_id)
