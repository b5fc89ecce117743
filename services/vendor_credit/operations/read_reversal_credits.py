"""Facts about credited reversals, for the audit."""

from collections.abc import Sequence
from operator import attrgetter

from services.vendor_credit.domain.reversals import ReversalCredit
from services.vendor_credit.storage import reversal_credits
from shared.cells import Cells, merged
from shared.database import Database


async def list_credits(cells: Cells, *, after: str, limit: int) -> list[ReversalCredit]:
    """Return up to `limit` credits in order of reversal id, above `after`; one credited in two cells, an alarm, is there twice."""

    async def read(database: Database) -> list[ReversalCredit]:
        async with database.reading() as connection:
            return await reversal_credits.list_credits(connection, after=after, limit=limit)

    pages = await cells.gather(read)
    if len(pages) == 1:
        return pages[0]
    found = merged(pages, key=attrgetter("reversal_id"), limit=sum(map(len, pages)))
    # A page ends between two reversals: the next one begins after the last one's id, and would miss its second credit.
    return found[:limit] + [credit for credit in found[limit:] if credit.reversal_id == found[limit - 1].reversal_id]


async def get_credits(cells: Cells, reversal_ids: Sequence[str]) -> list[ReversalCredit]:
    """Return the credits that exist for the reversals, in order of reversal id; one credited in two cells, an alarm, is there twice."""

    async def read(database: Database) -> list[ReversalCredit]:
        async with database.reading() as connection:
            return await reversal_credits.get_credits(connection, reversal_ids)

    found = await cells.gather(read)
    return merged(found, key=attrgetter("reversal_id"), limit=sum(map(len, found)))
