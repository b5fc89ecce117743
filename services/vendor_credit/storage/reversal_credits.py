"""Credits of reversals: one per reversal id, for ever."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.vendor_credit.domain.reversals import ReversalCredit
from shared.database import Connection
from shared.sql_arrays import int_array, uuid_array

GET_CREDITS = """
SELECT reversal_id::text AS reversal_id, vendor_id, amount
FROM reversal_credits
WHERE reversal_id = ANY(%(reversal_ids)s::uuid[])
ORDER BY reversal_credits.reversal_id
"""


async def get_credits(connection: Connection, reversal_ids: Sequence[str]) -> list[ReversalCredit]:
    """Return the credits that exist for the reversals."""
    async with connection.cursor(row_factory=class_row(ReversalCredit)) as cursor:
        await cursor.execute(GET_CREDITS, {"reversal_ids": uuid_array(reversal_ids)})
        return await cursor.fetchall()


GET_POSTED = """
SELECT credit.reversal_id::text, credit.vendor_id, credit.amount, entry.balance_after
FROM reversal_credits AS credit
JOIN vendor_entries AS entry ON entry.kind = 3 AND entry.reference = credit.reversal_id::text
WHERE credit.reversal_id = ANY(%(reversal_ids)s::uuid[])
"""


async def get_posted(connection: Connection, reversal_ids: Sequence[str]) -> dict[str, tuple[ReversalCredit, int]]:
    """Return, by reversal id, the credits that exist for the reversals and what the vendor held right after each."""
    cursor = await connection.execute(GET_POSTED, {"reversal_ids": uuid_array(reversal_ids)})
    return {row[0]: (ReversalCredit(row[0], row[1], row[2]), row[3]) for row in await cursor.fetchall()}


INSERT_CREDITS = """
INSERT INTO reversal_credits (reversal_id, vendor_id, amount, credited_at)
SELECT item.reversal_id, item.vendor_id, item.amount, %(now)s
FROM unnest(%(reversal_ids)s::uuid[], %(vendor_ids)s::bigint[], %(amounts)s::bigint[]) AS item (reversal_id, vendor_id, amount)
JOIN cell ON true
"""


async def insert_credits(connection: Connection, credits_made: Sequence[ReversalCredit], now: datetime) -> None:
    """Record new credits. A reversal id that was credited meanwhile is a unique violation and rolls everything back."""
    cursor = await connection.execute(
        INSERT_CREDITS,
        {
            "reversal_ids": uuid_array(each.reversal_id for each in credits_made),
            "vendor_ids": int_array(each.vendor_id for each in credits_made),
            "amounts": int_array(each.amount for each in credits_made),
            "now": now,
        },
    )
    if cursor.rowcount != len(credits_made):
        raise RuntimeError(f"{cursor.rowcount} of {len(credits_made)} credits were written")


LIST_CREDITS = """
SELECT reversal_id::text AS reversal_id, vendor_id, amount
FROM reversal_credits
WHERE reversal_id > %(after)s::uuid
ORDER BY reversal_credits.reversal_id
LIMIT %(limit)s
"""


async def list_credits(connection: Connection, *, after: str, limit: int) -> list[ReversalCredit]:
    """Return credits in order of reversal id, above `after`."""
    async with connection.cursor(row_factory=class_row(ReversalCredit)) as cursor:
        await cursor.execute(LIST_CREDITS, {"after": after, "limit": limit})
        return await cursor.fetchall()


MISPOSTED = """
SELECT coalesce(credit.reversal_id::text, entry.reference), coalesce(entry.vendor_id, credit.vendor_id)
FROM reversal_credits AS credit
FULL JOIN (SELECT reference, vendor_id, amount FROM vendor_entries WHERE kind = 3) AS entry
    ON entry.reference = credit.reversal_id::text
WHERE credit.reversal_id IS NULL OR entry.reference IS NULL OR (credit.vendor_id, credit.amount) <> (entry.vendor_id, entry.amount)
LIMIT 1000
"""


async def misposted_credits(connection: Connection) -> list[tuple[str, int]]:
    """Return reversals whose credit and ledger entry contradict each other, and whose ledger it is."""
    cursor = await connection.execute(MISPOSTED)
    return [(row[0], row[1]) for row in await cursor.fetchall()]
