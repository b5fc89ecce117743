"""Events of reversals."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from services.customer_charge.domain.events import ReversalFact
from services.customer_charge.domain.reversals import ReversalVerdict
from shared.database import Connection
from shared.sql_arrays import int_array, nullable_int_array, uuid_array

INSERT_REVERSAL_EVENTS = """
INSERT INTO reversal_events (vendor_id, seq, reversal_id, vendor_balance)
SELECT item.vendor_id, item.seq, item.reversal_id, item.vendor_balance
FROM unnest(%(vendor_ids)s::bigint[], %(seqs)s::bigint[], %(reversal_ids)s::uuid[], %(balances)s::bigint[])
    AS item (vendor_id, seq, reversal_id, vendor_balance)
JOIN cell ON true
"""


async def insert_reversal_events(connection: Connection, numbered: Sequence[tuple[int, ReversalVerdict]]) -> None:
    """Append events of reversals, each with its number."""
    cursor = await connection.execute(
        INSERT_REVERSAL_EVENTS,
        {
            "vendor_ids": int_array(verdict.reversal.vendor_id for _, verdict in numbered),
            "seqs": int_array(seq for seq, _ in numbered),
            "reversal_ids": uuid_array(verdict.reversal.reversal_id for _, verdict in numbered),
            "balances": nullable_int_array(verdict.vendor_balance_after for _, verdict in numbered),
        },
    )
    if cursor.rowcount != len(numbered):
        raise RuntimeError(f"{cursor.rowcount} of {len(numbered)} events were written")


@dataclass(frozen=True, slots=True)
class NumberedReversal(ReversalFact):
    """A reversal with its number in the feed and the vendor's balance right after it."""

    seq: int
    vendor_balance: int | None


LIST_REVERSAL_EVENTS = """
SELECT reversal_events.seq, reversal_events.vendor_balance, reversals.id::text AS id, reversals.charge_id::text AS charge_id,
    reversals.customer_id, reversals.amount, reversals.reason, reversals.settled_at
FROM reversal_events
JOIN reversals ON reversals.id = reversal_events.reversal_id
WHERE reversal_events.vendor_id = %(vendor_id)s AND reversal_events.seq > %(after)s
ORDER BY reversal_events.seq
LIMIT %(limit)s
"""


async def list_reversal_events(connection: Connection, vendor_id: int, *, after: int, limit: int) -> list[NumberedReversal]:
    """Return events of reversals in order, above `after`."""
    async with connection.cursor(row_factory=class_row(NumberedReversal)) as cursor:
        await cursor.execute(LIST_REVERSAL_EVENTS, {"vendor_id": vendor_id, "after": after, "limit": limit})
        return await cursor.fetchall()
