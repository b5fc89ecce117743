"""Tell how debits would be decided, and record nothing."""

from collections.abc import Sequence
from operator import attrgetter

from services.vendor_credit.domain.debits import Debit, Decision, decide
from services.vendor_credit.operations.guard_duplicates import guard_duplicates
from services.vendor_credit.storage import previews
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Database


async def preview_debits(cells: Cells, debits: Sequence[Debit]) -> Sequence[Decision]:
    """Return what the debits, none of which was decided before, would be answered one after the other, as things are now."""
    return await cells.answer_each(debits, attrgetter("vendor_id"), _preview_cell)


async def _preview_cell(database: Database, debits: Sequence[Debit]) -> list[Decision]:
    async with database.reading() as connection:
        accounts = await previews.read_accounts(connection, (debit.vendor_id for debit in debits))
        guard = await guard_duplicates(connection, accounts, debits)
    decisions, _ = decide(accounts, debits, utc_now(), guard)
    return decisions
