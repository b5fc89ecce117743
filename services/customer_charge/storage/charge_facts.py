"""What this service's books say of charges, for matching them with the vendor ledger's."""

from collections.abc import Sequence

from psycopg.rows import class_row

from services.customer_charge.domain.matching import OwnFacts
from shared.database import Connection
from shared.database_pages import reading_in_order
from shared.sql_arrays import uuid_array

FACTS = """
SELECT charge.id::text AS id, charge.vendor_id, charge.customer_id, charge.amount, charge.state,
       entry.seq IS NOT NULL AS entry,
       coalesce(
           (entry.customer_id, entry.vendor_id, entry.amount) = (charge.customer_id, charge.vendor_id, charge.amount), false
       ) AS entry_fits,
       coalesce(
           entry.balance_after = coalesce(previous.balance_after, 0) + entry.amount AND (entry.seq = 1) = (previous.seq IS NULL), false
       ) AS entry_linked
FROM charges AS charge
LEFT JOIN customer_entries AS entry ON entry.kind = 1 AND entry.reference = charge.id
LEFT JOIN customer_entries AS previous ON previous.customer_id = entry.customer_id AND previous.seq = entry.seq - 1
"""

LIST_FACTS = f"""{FACTS}
WHERE charge.id > %(after)s::uuid AND charge.id <= %(until)s::uuid
ORDER BY charge.id
LIMIT %(limit)s
"""


async def list_facts(connection: Connection, *, after: str, until: str, limit: int) -> list[OwnFacts]:
    """Return the facts of charges in (after, until], in order of id."""
    async with reading_in_order(connection), connection.cursor(row_factory=class_row(OwnFacts)) as cursor:
        await cursor.execute(LIST_FACTS, {"after": after, "until": until, "limit": limit})
        return await cursor.fetchall()


GET_FACTS = f"""{FACTS}
WHERE charge.id = ANY(%(ids)s::uuid[])
"""


async def get_facts(connection: Connection, charge_ids: Sequence[str]) -> dict[str, OwnFacts]:
    """Return the facts of those of the charges that exist, by id."""
    async with connection.cursor(row_factory=class_row(OwnFacts)) as cursor:
        await cursor.execute(GET_FACTS, {"ids": uuid_array(charge_ids)})
        return {facts.id: facts for facts in await cursor.fetchall()}


OLDEST_PENDING = """
SELECT charge_id::text
FROM pending_charges
WHERE NOT blocked
ORDER BY pending_charges.charge_id
LIMIT 1
"""


async def oldest_pending(connection: Connection) -> str | None:
    """Return the smallest id among the charges that are under way; None when there is none. Those set aside do not count."""
    cursor = await connection.execute(OLDEST_PENDING)
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


WITH_WORK = "SELECT charge_id::text FROM pending_charges WHERE charge_id = ANY(%(ids)s::uuid[])"


async def with_work(connection: Connection, charge_ids: Sequence[str]) -> set[str]:
    """Return those of the charges that have a pending row."""
    cursor = await connection.execute(WITH_WORK, {"ids": uuid_array(charge_ids)})
    return {row[0] for row in await cursor.fetchall()}
