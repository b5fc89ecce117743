"""Read a vendor's statement, a page of entries at a time."""

from datetime import datetime

from services.vendor_credit.domain.ledger import Entry
from services.vendor_credit.domain.statements import Statement, check_period
from services.vendor_credit.storage import statements
from shared.cells import Cells
from shared.database import Connection, Database
from shared.errors import NotFound


async def read_statement(
    cells: Cells, vendor_id: int, *, start: datetime, stop: datetime, after_seq: int, limit: int, now: datetime
) -> tuple[Statement, list[Entry]]:
    """Return the statement of [start, stop) and up to `limit` of its entries, oldest first, above `after_seq`.

    What it says never changes: before it is read, the period is closed for good, whatever the clocks of other processes say. Raises
    NotFound, InvalidArgument.
    """
    check_period(start, stop, now)
    database = cells.of(vendor_id)
    await _close_period(database, vendor_id, stop)
    async with database.reading() as connection:
        opening = await statements.balance_before(connection, vendor_id, start)
        closing = await statements.balance_before(connection, vendor_id, stop)
        entries = await statements.entries_between(
            connection, vendor_id, after_seq=max(after_seq, opening.seq), last_seq=closing.seq, limit=limit
        )
    return Statement(vendor_id, start, stop, opening, closing, now), entries


async def _close_period(database: Database, vendor_id: int, stop: datetime) -> None:
    async with database.reading() as connection:
        latest = await statements.last_entry_at(connection, vendor_id)
    if latest is None:
        raise NotFound.of("vendor", vendor_id, "vendor_id")
    # Whoever posts at this moment read the head under the vendor's lock and dates its entries no earlier than that head.
    if latest < stop:

        async def work(connection: Connection) -> None:
            await statements.close_period(connection, vendor_id, stop)

        await database.transact(work)
