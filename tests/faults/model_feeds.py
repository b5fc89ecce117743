"""Feeds in plain Python: what a vendor is told has happened, each thing once, without a gap, with the balance right after it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tests.faults.facts import Facts
from tests.faults.model import (
    ACCEPTED,
    BALANCE_LOW,
    CHARGE,
    CONFIRMED,
    CREDIT,
    CREDIT_CONFIRMED,
    LEDGERS,
    ONE_EFFECT,
    PROMISES,
    REVERSAL,
    SUCCEEDED,
    Finding,
)

CHARGE_SUCCEEDED, CHARGE_FAILED, CHARGE_REVERSED = 1, 2, 3
TYPES = {CHARGE_SUCCEEDED: "charge_succeeded", CHARGE_FAILED: "charge_failed", CHARGE_REVERSED: "charge_reversed"} | {
    CREDIT_CONFIRMED: "credit_confirmed",
    BALANCE_LOW: "balance_low",
}


class Told(NamedTuple):
    """One event of a feed: what it is about (a charge, a reversal, or an entry of the ledger), and the balance that it shows."""

    vendor_id: int
    seq: int
    type: int
    subject: str
    balance: int | None


class Message(NamedTuple):
    """One webhook message as it came in: the event's number and type, and the balance that it shows."""

    seq: int
    type: str
    balance: int | None


def feed_of(facts: Facts) -> list[Told]:
    """Return the events of all vendors, as the tables of the feed hold them."""
    states = {charge.id: charge.state for charge in facts.charges}
    told = [
        Told(
            row.vendor_id,
            row.last_seq - len(row.charge_ids) + 1 + index,
            CHARGE_SUCCEEDED if states.get(charge_id) == SUCCEEDED else CHARGE_FAILED,
            charge_id,
            balance,
        )
        for row in facts.charge_events
        for index, (charge_id, balance) in enumerate(zip(row.charge_ids, row.vendor_balances, strict=True))
    ]
    told += [Told(row.vendor_id, row.seq, CHARGE_REVERSED, row.reversal_id, row.vendor_balance) for row in facts.reversal_events]
    return told + [Told(row.vendor_id, row.seq, row.kind, str(row.entry_seq), row.vendor_balance) for row in facts.fact_events]


def replay_feeds(facts: Facts) -> Iterator[Finding]:
    """Replay each vendor's feed against its ledger. For books at rest."""
    feed = feed_of(facts)
    numbers: dict[int, list[int]] = defaultdict(list)
    for event in feed:
        numbers[event.vendor_id].append(event.seq)
    heads = {row.vendor_id: row.last_seq for row in facts.feed_heads}
    for vendor in heads.keys() | numbers.keys():
        if sorted(numbers[vendor]) != list(range(1, heads.get(vendor, 0) + 1)):
            yield Finding(LEDGERS, f"the feed of vendor {vendor} has gaps or doubles up to {heads.get(vendor)}")
    for (vendor, kind, subject), count in Counter((event.vendor_id, event.type, event.subject) for event in feed).items():
        if count > 1:
            yield Finding(ONE_EFFECT, f"the feed of vendor {vendor} tells {count} times of {TYPES[kind]} {subject}")
    yield from _everything_is_told(facts, feed)
    yield from _balances(facts, feed)


def _everything_is_told(facts: Facts, feed: Sequence[Told]) -> Iterator[Finding]:
    """Each thing that happened has its event, and each event happened."""
    wanted: set[tuple[int, int, str]] = set()
    for charge in facts.charges:
        if charge.state != ACCEPTED:
            wanted.add((charge.vendor_id, CHARGE_SUCCEEDED if charge.state == SUCCEEDED else CHARGE_FAILED, charge.id))
    wanted |= {(row.vendor_id, CHARGE_REVERSED, row.id) for row in facts.reversals if row.state == SUCCEEDED}
    thresholds = {vendor.id: vendor.low_balance_threshold for vendor in facts.vendors}
    for entry in facts.vendor_entries:
        if entry.kind == CREDIT:
            wanted.add((entry.vendor_id, CREDIT_CONFIRMED, str(entry.seq)))
        threshold = thresholds[entry.vendor_id]
        if threshold and entry.balance_after < threshold <= entry.balance_after - entry.amount:
            wanted.add((entry.vendor_id, BALANCE_LOW, str(entry.seq)))
    told = {(event.vendor_id, event.type, event.subject) for event in feed}
    for vendor, kind, subject in wanted - told:
        yield Finding(PROMISES, f"the feed of vendor {vendor} does not tell of {TYPES[kind]} {subject}")
    for vendor, kind, subject in told - wanted:
        yield Finding(PROMISES, f"the feed of vendor {vendor} tells of {TYPES[kind]} {subject}, which did not happen")
    confirmed = {request.id for request in facts.requests if request.state == CONFIRMED}
    named = [row.request_id for row in facts.fact_events if row.kind == CREDIT_CONFIRMED]
    if sorted(confirmed) != sorted(named):
        yield Finding(PROMISES, f"credit requests {sorted(confirmed)} were confirmed, and the feeds tell of {sorted(named)}")


def _balances(facts: Facts, feed: Sequence[Told]) -> Iterator[Finding]:
    """Check the balance of each event: what the vendor held right after the entry that it tells of; for a refusal, at some time."""
    by_reference = {(entry.kind, entry.reference): entry.balance_after for entry in facts.vendor_entries}
    by_number = {(entry.vendor_id, str(entry.seq)): entry.balance_after for entry in facts.vendor_entries}
    held: dict[int, set[int | None]] = defaultdict(lambda: {0, None})
    for entry in facts.vendor_entries:
        held[entry.vendor_id].add(entry.balance_after)
    for event in feed:
        due: set[Any] = {by_number.get((event.vendor_id, event.subject))}
        if event.type == CHARGE_SUCCEEDED:
            due = {by_reference.get((CHARGE, event.subject))}
        elif event.type == CHARGE_REVERSED:
            due = {by_reference.get((REVERSAL, event.subject))}
        elif event.type == CHARGE_FAILED:
            due = held[event.vendor_id]
        if event.balance not in due:
            shown = f"shows a balance of {event.balance}, not {sorted(map(str, due))[:3]}"
            yield Finding(PROMISES, f"event {event.seq} of vendor {event.vendor_id}, {TYPES[event.type]} {event.subject}, {shown}")


def replay_webhooks(facts: Facts, vendor: int, messages: Sequence[Message], *, types: Sequence[str] = ()) -> Iterator[Finding]:
    """Hold what a receiver got against the vendor's feed: every event at least once, for the first time in order. `types` empty means all.

    A message may come again at any time: who delivered it may have died before it could say so.
    """
    wanted = [event for event in sorted(feed_of(facts), key=lambda event: event.seq) if event.vendor_id == vendor]
    wanted = [event for event in wanted if not types or TYPES[event.type] in types]
    first_times = list(dict.fromkeys(message.seq for message in messages))
    due = [event.seq for event in wanted]
    if first_times != due:
        at = next((place for place, (came, seq) in enumerate(zip(first_times, due, strict=False)) if came != seq), len(first_times))
        came, missing = first_times[at : at + 3], due[at : at + 3]
        yield Finding(PROMISES, f"webhooks of vendor {vendor}: {missing} were due, and {came} came, after {at} of {len(due)}")
    shown = {event.seq: (TYPES[event.type], event.balance) for event in wanted}
    for message in messages:
        if message.seq in shown and (message.type, message.balance) != shown[message.seq]:
            yield Finding(PROMISES, f"the webhook of event {message.seq} of vendor {vendor} says {message}, not {shown[message.seq]}")
