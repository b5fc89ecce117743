"""The feeds of events: heads, and the events of charges and of the vendor ledger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from services.customer_charge.domain.events import ChargeEvents, Fact
from shared.database import Connection, Cursor
from shared.sql_arrays import int_array, nullable_int_array, time_array, uuid_array

ADVANCE_HEADS = """
INSERT INTO event_heads (vendor_id, last_seq)
SELECT item.vendor_id, item.count
FROM unnest(%(vendor_ids)s::bigint[], %(counts)s::bigint[]) AS item (vendor_id, count)
JOIN cell ON true
ON CONFLICT (vendor_id) DO UPDATE SET last_seq = event_heads.last_seq + excluded.last_seq
RETURNING vendor_id, last_seq
"""


async def send_advance(connection: Connection, counts: Mapping[int, int]) -> Cursor:
    """Lock the heads of the vendors and move each by so many events; the rows are vendors and where their feeds now stand.

    Rows go in id order, so that two batches never wait for each other in a circle. The locks last to the end of the transaction: a number
    is seen only after all lower ones.
    """
    vendor_ids = sorted(counts)
    return await connection.execute(
        ADVANCE_HEADS, {"vendor_ids": int_array(vendor_ids), "counts": int_array(counts[vendor_id] for vendor_id in vendor_ids)}
    )


async def advance_heads(connection: Connection, counts: Mapping[int, int]) -> dict[int, int]:
    """Advance like `send_advance` and return where the feeds now stand."""
    return {row[0]: row[1] for row in await (await send_advance(connection, counts)).fetchall()}


READ_HEADS = "SELECT vendor_id, last_seq FROM event_heads WHERE vendor_id = ANY(%(vendor_ids)s::bigint[])"


async def read_heads(connection: Connection, vendor_ids: Iterable[int]) -> dict[int, int]:
    """Return the heads of the feeds that have events."""
    cursor = await connection.execute(READ_HEADS, {"vendor_ids": int_array(vendor_ids)})
    return {row[0]: row[1] for row in await cursor.fetchall()}


INSERT_CHARGE_EVENTS = """
INSERT INTO charge_events (vendor_id, last_seq, charge_ids, vendor_balances)
SELECT item.vendor_id, item.last_seq, (%(charge_ids)s::uuid[])[item.first:item.last], (%(balances)s::bigint[])[item.first:item.last]
FROM (
    SELECT unnest(%(vendor_ids)s::bigint[]) AS vendor_id, unnest(%(seqs)s::bigint[]) AS last_seq, unnest(%(firsts)s::int[]) AS first,
        unnest(%(lasts)s::int[]) AS last
    FROM cell
) AS item
"""


async def insert_charge_events(connection: Connection, rows: Sequence[ChargeEvents]) -> Cursor:
    """Append rows of charge events; the caller checks that all were written. The ids travel in one array, and each row is a slice of it."""
    lasts: list[int] = []
    for row in rows:
        lasts.append((lasts[-1] if lasts else 0) + len(row.charge_ids))
    return await connection.execute(
        INSERT_CHARGE_EVENTS,
        {
            "vendor_ids": int_array(row.vendor_id for row in rows),
            "seqs": int_array(row.last_seq for row in rows),
            "firsts": int_array([1, *(last + 1 for last in lasts[:-1])]),
            "lasts": int_array(lasts),
            "charge_ids": uuid_array(charge_id for row in rows for charge_id in row.charge_ids),
            "balances": nullable_int_array(balance for row in rows for balance in row.vendor_balances),
        },
    )


LIST_CHARGE_EVENTS = """
SELECT vendor_id, last_seq, charge_ids::text[] AS charge_ids, vendor_balances
FROM charge_events
WHERE vendor_id = %(vendor_id)s AND last_seq > %(after)s
ORDER BY last_seq
LIMIT %(limit)s
"""


async def list_charge_events(connection: Connection, vendor_id: int, *, after: int, limit: int) -> list[ChargeEvents]:
    """Return rows of charge events in order, the first of which may begin at or below `after`."""
    async with connection.cursor(row_factory=class_row(ChargeEvents)) as cursor:
        await cursor.execute(LIST_CHARGE_EVENTS, {"vendor_id": vendor_id, "after": after, "limit": limit})
        return await cursor.fetchall()


KNOWN_FACTS = """
SELECT fact_events.vendor_id, fact_events.entry_seq, fact_events.kind
FROM unnest(%(vendor_ids)s::bigint[], %(entry_seqs)s::bigint[], %(kinds)s::smallint[]) AS item (vendor_id, entry_seq, kind)
JOIN fact_events ON fact_events.vendor_id = item.vendor_id AND fact_events.entry_seq = item.entry_seq AND fact_events.kind = item.kind
"""


async def known_facts(connection: Connection, facts: Sequence[Fact]) -> set[tuple[int, int, int]]:
    """Return the names of those of the facts that are events already. The caller holds the heads of their feeds."""
    cursor = await connection.execute(
        KNOWN_FACTS,
        {
            "vendor_ids": int_array(fact.vendor_id for fact in facts),
            "entry_seqs": int_array(fact.entry_seq for fact in facts),
            "kinds": int_array(fact.kind for fact in facts),
        },
    )
    return {(row[0], row[1], row[2]) for row in await cursor.fetchall()}


INSERT_FACT_EVENTS = """
INSERT INTO fact_events (vendor_id, seq, kind, entry_seq, vendor_balance, amount, request_id, created_at)
SELECT item.vendor_id, item.seq, item.kind, item.entry_seq, item.vendor_balance, item.amount, item.request_id, item.created_at
FROM unnest(
    %(vendor_ids)s::bigint[], %(seqs)s::bigint[], %(kinds)s::smallint[], %(entry_seqs)s::bigint[], %(balances)s::bigint[],
    %(amounts)s::bigint[], %(request_ids)s::bigint[], %(times)s::timestamptz[]
) AS item (vendor_id, seq, kind, entry_seq, vendor_balance, amount, request_id, created_at)
JOIN cell ON true
"""


async def insert_fact_events(connection: Connection, numbered: Sequence[tuple[int, Fact]]) -> None:
    """Append events of the vendor ledger, each with its number."""
    cursor = await connection.execute(
        INSERT_FACT_EVENTS,
        {
            "vendor_ids": int_array(fact.vendor_id for _, fact in numbered),
            "seqs": int_array(seq for seq, _ in numbered),
            "kinds": int_array(fact.kind for _, fact in numbered),
            "entry_seqs": int_array(fact.entry_seq for _, fact in numbered),
            "balances": int_array(fact.vendor_balance for _, fact in numbered),
            "amounts": int_array(fact.amount for _, fact in numbered),
            "request_ids": int_array(fact.request_id for _, fact in numbered),
            "times": time_array(fact.created_at for _, fact in numbered),
        },
    )
    if cursor.rowcount != len(numbered):
        raise RuntimeError(f"{cursor.rowcount} of {len(numbered)} events were written")


@dataclass(frozen=True, slots=True)
class NumberedFact(Fact):
    """A fact with its number in the feed."""

    seq: int


LIST_FACT_EVENTS = """
SELECT vendor_id, seq, kind, entry_seq, vendor_balance, amount, request_id, created_at
FROM fact_events
WHERE vendor_id = %(vendor_id)s AND seq > %(after)s
ORDER BY seq
LIMIT %(limit)s
"""


async def list_fact_events(connection: Connection, vendor_id: int, *, after: int, limit: int) -> list[NumberedFact]:
    """Return events of the vendor ledger in order, above `after`."""
    async with connection.cursor(row_factory=class_row(NumberedFact)) as cursor:
        await cursor.execute(LIST_FACT_EVENTS, {"vendor_id": vendor_id, "after": after, "limit": limit})
        return await cursor.fetchall()
