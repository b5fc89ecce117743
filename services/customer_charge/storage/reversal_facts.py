"""What this service's books say of reversals, for matching them with the vendor ledger's."""

from collections.abc import Sequence

from psycopg.rows import class_row

from services.customer_charge.domain.reversal_matching import OwnReversal
from shared.database import Connection
from shared.database_pages import reading_in_order
from shared.sql_arrays import uuid_array

# One statement, so that a reversal, its entry, its pending row and its charge are seen at one moment.
FACTS = """
SELECT reversal.id::text AS id, reversal.charge_id::text AS charge_id, reversal.vendor_id, reversal.customer_id, reversal.amount,
       reversal.state, reversal.debited_at IS NOT NULL AS debited, pending.reversal_id IS NOT NULL AS pending,
       entry.seq IS NOT NULL AS entry,
       coalesce(
           (entry.customer_id, entry.vendor_id, -entry.amount) = (reversal.customer_id, reversal.vendor_id, reversal.amount), false
       ) AS entry_fits,
       coalesce(
           entry.balance_after = coalesce(previous.balance_after, 0) + entry.amount AND (entry.seq = 1) = (previous.seq IS NULL), false
       ) AS entry_linked,
       coalesce(
           (charge.vendor_id, charge.customer_id, charge.reserved_amount, charge.reversed_amount)
               = (reversal.vendor_id, reversal.customer_id, taken.reserved, taken.done), false
       ) AS counted
FROM reversals AS reversal
LEFT JOIN pending_reversals AS pending ON pending.reversal_id = reversal.id
LEFT JOIN customer_entries AS entry ON entry.kind = 2 AND entry.reference = reversal.id
LEFT JOIN customer_entries AS previous ON previous.customer_id = entry.customer_id AND previous.seq = entry.seq - 1
LEFT JOIN charges AS charge ON charge.id = reversal.charge_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount) FILTER (WHERE state <> 3), 0) AS reserved, coalesce(sum(amount) FILTER (WHERE state = 2), 0) AS done
    FROM reversals AS other
    WHERE other.charge_id = reversal.charge_id
) AS taken
"""

LIST_FACTS = f"""{FACTS}
WHERE reversal.id > %(after)s::uuid AND reversal.id <= %(until)s::uuid
ORDER BY reversal.id
LIMIT %(limit)s
"""


async def list_facts(connection: Connection, *, after: str, until: str, limit: int) -> list[OwnReversal]:
    """Return the facts of reversals in (after, until], in order of id."""
    async with reading_in_order(connection), connection.cursor(row_factory=class_row(OwnReversal)) as cursor:
        await cursor.execute(LIST_FACTS, {"after": after, "until": until, "limit": limit})
        return await cursor.fetchall()


GET_FACTS = f"""{FACTS}
WHERE reversal.id = ANY(%(ids)s::uuid[])
"""


async def get_facts(connection: Connection, reversal_ids: Sequence[str]) -> dict[str, OwnReversal]:
    """Return the facts of those of the reversals that exist, by id."""
    async with connection.cursor(row_factory=class_row(OwnReversal)) as cursor:
        await cursor.execute(GET_FACTS, {"ids": uuid_array(reversal_ids)})
        return {facts.id: facts for facts in await cursor.fetchall()}


OLDEST_PENDING = """
SELECT reversal_id::text
FROM pending_reversals
WHERE NOT blocked
ORDER BY pending_reversals.reversal_id
LIMIT 1
"""


async def oldest_pending(connection: Connection) -> str | None:
    """Return the smallest id among the reversals that are under way; None when there is none. Those set aside do not count."""
    row = await (await connection.execute(OLDEST_PENDING)).fetchone()
    return None if row is None else str(row[0])
