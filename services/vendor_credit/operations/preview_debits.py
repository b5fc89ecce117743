"""Tell how debits would be decided, and record nothing."""

from collections.abc import Sequence

from services.vendor_credit.domain.debits import Debit, Decision, decide
from services.vendor_credit.operations.guard_duplicates import guard_duplicates
from services.vendor_credit.storage import previews
from shared.clock import utc_now
from shared.database import Database


async def preview_debits(database: Database, debits: Sequence[Debit]) -> list[Decision]:
    """Return what the debits, none of which was decided before, would be answered one after the other, as things are now."""
    async with database.reading() as connection:
        accounts = await previews.read_accounts(connection, (debit.vendor_id for debit in debits))
        guard = await guard_duplicates(connection, accounts, debits)
    decisions, _ = decide(accounts, debits, utc_now(), guard)
    return decisions
