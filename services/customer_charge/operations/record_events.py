"""Append events to the feeds, in the transaction of what they tell."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from psycopg.rows import TupleRow

from services.customer_charge.domain.charges import Verdict
from services.customer_charge.domain.events import Fact, number_charges
from services.customer_charge.domain.reversals import ReversalState, ReversalVerdict
from services.customer_charge.storage import event_feed, reversal_events
from shared.cells import Cells
from shared.database import Connection, Cursor, Database, Written


async def send_numbers(connection: Connection, events: Mapping[int, Sequence[Verdict]]) -> Cursor:
    """Reserve numbers in the feeds for events by vendor; the rows are where the feeds then stand.

    Ask for it after all other locks: a feed's head is locked from here to COMMIT.
    """
    return await event_feed.send_advance(connection, {vendor_id: len(each) for vendor_id, each in events.items()})


async def record_settled(connection: Connection, events: Mapping[int, Sequence[Verdict]], heads: Iterable[TupleRow]) -> list[Written]:
    """Give the charges that this transaction finished their events, with the numbers of `send_numbers`: one statement for all.

    Returns what was sent and how many rows it must write.
    """
    if not events:
        return []
    rows = list(number_charges(events, {row[0]: row[1] for row in heads}))
    return [(await event_feed.insert_charge_events(connection, rows), len(rows), "rows of events")]


async def record_reversed(connection: Connection, verdicts: Sequence[ReversalVerdict]) -> None:
    """Give the reversals that this transaction finished their events, those that succeeded. Call it last, for the same reason."""
    succeeded = [verdict for verdict in verdicts if verdict.state == ReversalState.SUCCEEDED]
    if not succeeded:
        return
    counts = Counter(verdict.reversal.vendor_id for verdict in succeeded)
    heads = await event_feed.advance_heads(connection, counts)
    following = {vendor_id: heads[vendor_id] - count for vendor_id, count in counts.items()}
    numbered = []
    for verdict in succeeded:
        following[verdict.reversal.vendor_id] += 1
        numbered.append((following[verdict.reversal.vendor_id], verdict))
    await reversal_events.insert_reversal_events(connection, numbered)


async def append_facts(cells: Cells, facts: Sequence[Fact]) -> int:
    """Append facts of the vendor ledger to their feeds, each once; return how many were new. Repeating it changes nothing.

    A feed is in its vendor's cell, so there is a transaction for each cell of the vendors. Raises Unavailable when one of them is out of
    reach, after the others: the facts are told again then, and those that were appended are known.
    """
    parts = {cells.of(part[0].vendor_id): part for part in cells.split(facts, lambda fact: fact.vendor_id).values()}
    return sum(await cells.gather(lambda database: _append(database, parts[database]), list(parts)))


async def _append(database: Database, facts: Sequence[Fact]) -> int:
    """Append facts of one cell's vendors."""
    wanted = {fact.name: fact for fact in sorted(facts, key=lambda fact: fact.name)}

    async def work(connection: Connection) -> int:
        # Moved by nothing: this only takes the locks, under which nobody else can be appending one of these facts.
        await event_feed.advance_heads(connection, dict.fromkeys((fact.vendor_id for fact in wanted.values()), 0))
        known = await event_feed.known_facts(connection, list(wanted.values()))
        fresh = [fact for name, fact in wanted.items() if name not in known]
        if fresh:
            counts = Counter(fact.vendor_id for fact in fresh)
            heads = await event_feed.advance_heads(connection, counts)
            following = {vendor_id: heads[vendor_id] - count for vendor_id, count in counts.items()}
            numbered = []
            for fact in fresh:
                following[fact.vendor_id] += 1
                numbered.append((following[fact.vendor_id], fact))
            await event_feed.insert_fact_events(connection, numbered)
        return len(fresh)

    return await database.transact(work)
