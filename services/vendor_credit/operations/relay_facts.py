"""Hand the facts in the outbox to the feed of events, each exactly once as far as the feed is concerned."""

from collections.abc import Sequence
from typing import Protocol

from services.vendor_credit.domain.facts import Fact
from services.vendor_credit.storage import fact_outbox
from shared.cells import Cells
from shared.database import Connection, Database

PAGE = 500
"""Facts of one call; half of what the feed takes at once."""


class EventFeed(Protocol):
    """Where facts become events."""

    async def append(self, facts: Sequence[Fact]) -> None:
        """Append facts, each once, whatever was appended before. Raises Unavailable; asking again is always safe."""
        ...


async def relay_facts(cells: Cells, feed: EventFeed) -> int:
    """Relay everything in the outboxes of all cells and return how many facts that were.

    Raises Unavailable for a cell or a feed that is out of reach, once the others are done; what was relayed stays relayed.
    """
    return sum(await cells.gather(lambda database: relay_facts_of_cell(database, feed)))


async def relay_facts_of_cell(database: Database, feed: EventFeed) -> int:
    """Relay everything in one cell's outbox and return how many facts that were.

    A fact is removed only after the feed has said that it has it. Whatever dies between the two is sent again, and the feed knows it by its
    name. Any number of relays may run side by side. Raises Unavailable; what was relayed stays relayed.
    """
    relayed = 0
    while True:
        async with database.reading() as connection:
            facts = await fact_outbox.read_facts(connection, limit=PAGE)
        if not facts:
            return relayed
        await feed.append(facts)
        await _forget(database, facts)
        relayed += len(facts)


async def _forget(database: Database, facts: Sequence[Fact]) -> None:
    async def work(connection: Connection) -> None:
        await fact_outbox.delete_facts(connection, facts)

    await database.transact(work)
