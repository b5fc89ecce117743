"""Wait for charges or reversals to become final, one query for all who wait in this process."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import structlog

from services.customer_charge.storage import charges
from shared.cells import Cells
from shared.database import Connection, Database
from shared.errors import ChargingError

FIRST_LOOK_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.1
"""An idle system settles within tens of milliseconds; on a busy one looking more often would only make it busier."""

FindFinal = Callable[[Connection, Sequence[str]], Awaitable[list[str]]]
"""Returns those of the ids whose object is final."""

log = structlog.get_logger(__name__)


class SettlementWatch:
    """Looks up waiting charges while anybody waits, and does nothing otherwise."""

    def __init__(self, database: Database, final: FindFinal = charges.final_charges) -> None:
        """Watch charges, or what `final` finds final."""
        self._database = database
        self._final = final
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def wait(self, charge_id: str, seconds: float) -> bool:
        """Wait until the charge is final, at most so long; tell whether it is."""
        if self._closed:
            return False
        event = asyncio.Event()
        self._waiting[charge_id].add(event)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting[charge_id].discard(event)
            if not self._waiting[charge_id]:
                del self._waiting[charge_id]
        return not self._closed

    def close(self) -> None:
        """Let everybody go who waits, with what is known now: a process that leaves keeps nobody."""
        self._closed = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def _look(self) -> None:
        pause = FIRST_LOOK_SECONDS
        while self._waiting:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
            try:
                async with self._database.reading() as connection:
                    final = await self._final(connection, list(self._waiting))
            except ChargingError as error:
                log.info("watch.postponed", reason=error.reason)
                continue
            for charge_id in final:
                pause = FIRST_LOOK_SECONDS
                for event in self._waiting.get(charge_id, ()):
                    event.set()


class SettlementWatches:
    """A watch for each cell: one that does not answer keeps only its own callers waiting."""

    def __init__(self, cells: Cells, final: FindFinal = charges.final_charges) -> None:
        """Watch charges, or what `final` finds final."""
        self._watches = [SettlementWatch(database, final) for database in cells]

    def wait(self, vendor_id: int, charge_id: str, seconds: float) -> Awaitable[bool]:
        """Wait until the vendor's charge is final, at most so long; tell whether it is."""
        return self._watches[vendor_id % len(self._watches)].wait(charge_id, seconds)

    def close(self) -> None:
        """Let everybody go who waits, with what is known now."""
        for watch in self._watches:
            watch.close()
