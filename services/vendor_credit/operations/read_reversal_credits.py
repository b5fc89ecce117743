"""Facts about credited reversals, for the audit."""

from collections.abc import Sequence

from services.vendor_credit.domain.reversals import ReversalCredit
from services.vendor_credit.storage import reversal_credits
from shared.database import Database


async def list_credits(database: Database, *, after: str, limit: int) -> list[ReversalCredit]:
    """Return up to `limit` credits in order of reversal id, above `after`."""
    async with database.reading() as connection:
        return await reversal_credits.list_credits(connection, after=after, limit=limit)


async def get_credits(database: Database, reversal_ids: Sequence[str]) -> list[ReversalCredit]:
    """Return the credits that exist for the reversals, in order of reversal id."""
    async with database.reading() as connection:
        return await reversal_credits.get_credits(connection, reversal_ids)
