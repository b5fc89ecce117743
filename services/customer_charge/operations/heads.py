"""Look at the heads of customers' ledgers, in the customers' cells."""

from collections.abc import Collection, Sequence
from operator import attrgetter

from services.customer_charge.storage import stops
from services.customer_charge.storage.stops import HeadCheck
from shared.cells import Cells, merged
from shared.database import Database


async def next_heads(cells: Cells, *, after_id: int, limit: int) -> tuple[list[HeadCheck], int]:
    """Look at up to `limit` heads above `after_id`, in order of id; return them and the id behind which to go on, 0 after the last."""
    size = limit // len(cells)

    async def page(database: Database) -> list[HeadCheck]:
        async with database.reading() as connection:
            return await stops.next_heads(connection, after_id=after_id, limit=size)

    pages = await cells.gather(page)
    end = min((page[-1].customer_id for page in pages if len(page) == size), default=0)
    found = merged(pages, key=attrgetter("customer_id"), limit=sum(map(len, pages)))
    return [head for head in found if not end or head.customer_id <= end], end


async def heads_of(cells: Cells, customer_ids: Collection[int]) -> list[HeadCheck]:
    """Look at the heads of these customers."""
    parts = {cells.of(part[0]): set(part) for part in cells.split(customer_ids, lambda customer_id: customer_id).values()}

    async def some(database: Database) -> list[HeadCheck]:
        async with database.reading() as connection:
            return await stops.heads_of(connection, parts[database])

    return [head for page in await cells.gather(some, list(parts)) for head in page]


def findings(heads: Sequence[HeadCheck]) -> dict[int, str]:
    """Return what is wrong with them, by customer."""
    return {head.customer_id: f"customer {head.customer_id}: the balance is not what its ledger says" for head in heads if not head.whole}
