"""The outbox of facts: written with their entries, removed once the feed has them."""

from collections.abc import Sequence

from psycopg.rows import class_row

from services.vendor_credit.domain.facts import Fact
from shared.database import Connection, Cursor
from shared.sql_arrays import int_array, time_array

INSERT_FACTS = """
INSERT INTO fact_outbox (vendor_id, entry_seq, kind, balance_after, amount, request_id, created_at)
SELECT item.vendor_id, item.entry_seq, item.kind, item.balance_after, item.amount, item.request_id, item.created_at
FROM unnest(
    %(vendor_ids)s::bigint[], %(seqs)s::bigint[], %(kinds)s::smallint[], %(balances)s::bigint[], %(amounts)s::bigint[],
    %(request_ids)s::bigint[], %(times)s::timestamptz[]
) AS item (vendor_id, entry_seq, kind, balance_after, amount, request_id, created_at)
JOIN cell ON true
"""


async def insert_facts(connection: Connection, facts: Sequence[Fact]) -> Cursor:
    """Add facts of entries that this transaction wrote; the caller checks that all were written."""
    return await connection.execute(
        INSERT_FACTS,
        {
            "vendor_ids": int_array(fact.vendor_id for fact in facts),
            "seqs": int_array(fact.entry_seq for fact in facts),
            "kinds": int_array(fact.kind for fact in facts),
            "balances": int_array(fact.balance_after for fact in facts),
            "amounts": int_array(fact.amount for fact in facts),
            "request_ids": int_array(fact.request_id for fact in facts),
            "times": time_array(fact.created_at for fact in facts),
        },
    )


READ_FACTS = """
SELECT vendor_id, entry_seq, kind, balance_after, amount, request_id, created_at
FROM fact_outbox
ORDER BY vendor_id, entry_seq, kind
LIMIT %(limit)s
"""


async def read_facts(connection: Connection, *, limit: int) -> list[Fact]:
    """Return facts that the feed may not have yet, each vendor's in order."""
    async with connection.cursor(row_factory=class_row(Fact)) as cursor:
        await cursor.execute(READ_FACTS, {"limit": limit})
        return await cursor.fetchall()


DELETE_FACTS = """
DELETE FROM fact_outbox
USING unnest(%(vendor_ids)s::bigint[], %(seqs)s::bigint[], %(kinds)s::smallint[]) AS item (vendor_id, entry_seq, kind)
WHERE fact_outbox.vendor_id = item.vendor_id AND fact_outbox.entry_seq = item.entry_seq AND fact_outbox.kind = item.kind
"""


async def delete_facts(connection: Connection, facts: Sequence[Fact]) -> None:
    """Remove facts that the feed has. Another relay may have removed them already."""
    await connection.execute(
        DELETE_FACTS,
        {
            "vendor_ids": int_array(fact.vendor_id for fact in facts),
            "seqs": int_array(fact.entry_seq for fact in facts),
            "kinds": int_array(fact.kind for fact in facts),
        },
    )
