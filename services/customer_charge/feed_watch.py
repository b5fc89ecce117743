"""Wait for new events, one query for all who wait in this process."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable

import structlog

from services.customer_charge.storage import event_feed
from shared.cells import Cells
from shared.database import Database
from shared.errors import ChargingError

FIRST_LOOK_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.2
"""A look is one index scan over the heads of the watched feeds, however many there are; looking more often would only make it busier."""

log = structlog.get_logger(__name__)


class FeedWatch:
    """Looks at the heads of feeds while anybody waits for them, and does nothing otherwise."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[int, dict[asyncio.Event, int]] = defaultdict(dict)
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, vendor_id: int, after: int, seconds: float) -> bool:
        """Wait until the vendor's feed has a number above `after`, at most so long; tell whether it has."""
        event = asyncio.Event()
        self._waiting[vendor_id][event] = after
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            del self._waiting[vendor_id][event]
            if not self._waiting[vendor_id]:
                del self._waiting[vendor_id]
        return True

    async def _look(self) -> None:
        pause = FIRST_LOOK_SECONDS
        while self._waiting:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
            try:
                async with self._database.reading() as connection:
                    heads = await event_feed.read_heads(connection, list(self._waiting))
            except ChargingError as error:
                log.info("feed_watch.postponed", reason=error.reason)
                continue
            for vendor_id, head in heads.items():
                for event, after in self._waiting.get(vendor_id, {}).items():
                    if head > after and not event.is_set():
                        pause = FIRST_LOOK_SECONDS
                        event.set()


class FeedWatches:
    """A watch for each cell: one that does not answer keeps only those waiting who watch its feeds."""

    def __init__(self, cells: Cells) -> None:
        self._watches = [FeedWatch(database) for database in cells]

    def wait(self, vendor_id: int, after: int, seconds: float) -> Awaitable[bool]:
        """Wait until the vendor's feed has a number above `after`, at most so long; tell whether it has."""
        return self._watches[vendor_id % len(self._watches)].wait(vendor_id, after, seconds)
