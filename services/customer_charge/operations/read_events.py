"""Read a vendor's feed of events."""

from collections.abc import Collection
from dataclasses import dataclass

from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.domain.events import Event, EventType, unbroken
from services.customer_charge.storage import charges, event_feed, reversal_events
from shared.database import Connection, Database

SCANNED_EVENTS = 256
"""Events looked at for one page. A filter that matches few of them makes short pages, never long waits."""

SCANNED_ROWS = 32
"""Rows of charge events read for one page: enough for the page where charges settle in batches; where they settle one by one, the page is
shorter."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order; the feed was read up to `next_after`, and goes on beyond it when `has_more`."""

    events: list[Event]
    next_after: int
    has_more: bool


async def read_events(database: Database, vendor_id: int, *, after: int, types: Collection[int], limit: int) -> EventPage:
    """Return up to `limit` events of the types (none: all), with numbers above `after`."""
    async with database.reading() as connection:
        heads = await event_feed.read_heads(connection, [vendor_id])
        head = heads.get(vendor_id, 0)
        if head <= after:
            return EventPage([], after, False)
        scanned = await _scan(connection, vendor_id, after)
    found: list[Event] = []
    next_after = after
    for event in scanned:
        if types and event.type not in types:
            next_after = event.seq
        elif len(found) < limit:
            found.append(event)
            next_after = event.seq
        else:
            break
    return EventPage(found, next_after, next_after < head)


async def _scan(connection: Connection, vendor_id: int, after: int) -> list[Event]:
    """Return the next events of a feed, at least one where there is one."""
    rows = await event_feed.list_charge_events(connection, vendor_id, after=after, limit=SCANNED_ROWS)
    facts = await event_feed.list_fact_events(connection, vendor_id, after=after, limit=SCANNED_EVENTS)
    places = {
        row.last_seq - len(row.charge_ids) + 1 + index: (charge_id, balance)
        for row in rows
        for index, (charge_id, balance) in enumerate(zip(row.charge_ids, row.vendor_balances, strict=True))
    }
    wanted = {seq: place for seq, place in places.items() if after < seq <= after + SCANNED_EVENTS}
    told = await charges.get_charges(connection, [charge_id for charge_id, _ in wanted.values()]) if wanted else {}
    events = [
        Event(fact.vendor_id, fact.seq, EventType(fact.kind), fact.created_at, fact.vendor_balance, fact=fact)
        for fact in facts
        if fact.seq <= after + SCANNED_EVENTS
    ]
    reversals = await reversal_events.list_reversal_events(connection, vendor_id, after=after, limit=SCANNED_EVENTS)
    events += [
        Event(vendor_id, each.seq, EventType.CHARGE_REVERSED, each.settled_at, each.vendor_balance, reversal=each)
        for each in reversals
        if each.seq <= after + SCANNED_EVENTS
    ]
    for seq, (charge_id, balance) in wanted.items():
        charge = told[charge_id]
        kind = EventType.CHARGE_SUCCEEDED if charge.state == ChargeState.SUCCEEDED else EventType.CHARGE_FAILED
        assert charge.settled_at is not None  # noqa: S101 - only final charges have events
        events.append(Event(vendor_id, seq, kind, charge.settled_at, balance, charge=charge))
    return unbroken(events, after)
