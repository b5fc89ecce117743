"""What the customers' ledgers say of charges and reversals whose vendor lives in another cell: there, no statement sees both."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg.rows import args_row

from services.customer_charge.domain.ledger import EntryKind
from shared.database import Connection
from shared.sql_arrays import uuid_array


class EntryFacts(NamedTuple):
    """An entry; `reference` is the id of its charge or reversal. `linked`: its balance_after follows from the entry in front of it."""

    reference: str
    customer_id: int
    vendor_id: int
    amount: int
    linked: bool


FACTS = """
SELECT entry.reference::text AS reference, entry.customer_id, entry.vendor_id, entry.amount,
       entry.balance_after = coalesce(previous.balance_after, 0) + entry.amount AND (entry.seq = 1) = (previous.seq IS NULL) AS linked
FROM customer_entries AS entry
LEFT JOIN customer_entries AS previous ON previous.customer_id = entry.customer_id AND previous.seq = entry.seq - 1
"""

GET_ENTRIES = f"""{FACTS}
WHERE entry.kind = %(kind)s::smallint AND entry.reference = ANY(%(references)s::uuid[])
"""


async def get_entries(connection: Connection, kind: EntryKind, references: Sequence[str]) -> list[EntryFacts]:
    """Return the entries of a kind that there are for the references."""
    async with connection.cursor(row_factory=args_row(EntryFacts)) as cursor:
        await cursor.execute(GET_ENTRIES, {"kind": int(kind), "references": uuid_array(references)})
        return await cursor.fetchall()


LIST_ENTRIES = f"""{FACTS}
WHERE entry.kind = %(kind)s::smallint AND entry.reference > %(after)s::uuid
ORDER BY entry.reference
LIMIT %(limit)s
"""


async def list_entries(connection: Connection, kind: EntryKind, *, after: str, limit: int) -> list[EntryFacts]:
    """Return entries of a kind in order of their reference, above `after`."""
    async with connection.cursor(row_factory=args_row(EntryFacts)) as cursor:
        await cursor.execute(LIST_ENTRIES, {"kind": int(kind), "after": after, "limit": limit})
        return await cursor.fetchall()
