"""Reversals and feeds in plain Python: what was taken back, and what a vendor is told has happened, in which order."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.faults.facts import Facts
from tests.faults.model import (
    ACCEPTED,
    CONFIRMED,
    CONSERVATION,
    CREDIT_CONFIRMED,
    CUSTOMER_REVERSAL,
    FINAL,
    LEDGERS,
    ONE_EFFECT,
    PROMISES,
    REVERSAL,
    SUCCEEDED,
    USED_FOR_REVERSAL,
    Finding,
)


def replay_reversals(facts: Facts) -> Iterator[Finding]:
    """Check each reversal: one key, an entry on both sides if it was done and none if not, and never more than its charge."""
    keyed = Counter(key.reversal_id for key in facts.keys if key.state == USED_FOR_REVERSAL)
    back = {entry.reference: entry for entry in facts.vendor_entries if entry.kind == REVERSAL}
    taken = {entry.reference: entry for entry in facts.customer_entries if entry.kind == CUSTOMER_REVERSAL}
    credited = {row.reversal_id: row for row in facts.reversal_credits}
    pending = {row.reversal_id for row in facts.pending_reversals}
    done: dict[str, int] = defaultdict(int)
    for reversal in facts.reversals:
        if keyed[reversal.id] != 1:
            yield Finding(ONE_EFFECT, f"reversal {reversal.id} has {keyed[reversal.id]} keys")
        if reversal.state == ACCEPTED or reversal.id in pending:
            yield Finding(FINAL, f"reversal {reversal.id} is not final")
            continue
        amount = reversal.amount if reversal.state == SUCCEEDED else 0
        moved = [row.amount if row else 0 for row in (back.get(reversal.id), taken.get(reversal.id), credited.get(reversal.id))]
        if moved != [amount, -amount, amount]:
            yield Finding(CONSERVATION, f"reversal {reversal.id} in state {reversal.state} of {reversal.amount} moved {moved}")
        done[reversal.charge_id] += amount
    for reversal_id in (back.keys() | taken.keys() | credited.keys()) - {reversal.id for reversal in facts.reversals}:
        yield Finding(CONSERVATION, f"reversal {reversal_id} does not exist and had an effect")
    for charge in facts.charges:
        if (charge.reversed_amount, charge.reserved_amount) != (done[charge.id], done[charge.id]) or done[charge.id] > charge.amount:
            shown = f"{charge.reversed_amount} reversed and {charge.reserved_amount} reserved"
            yield Finding(CONSERVATION, f"charge {charge.id} of {charge.amount} shows {shown}, and its reversals took {done[charge.id]}")


def replay_feeds(facts: Facts) -> Iterator[Finding]:
    """Check each vendor's feed: no gap, and every final charge and every confirmed credit once."""
    numbers: dict[int, list[int]] = defaultdict(list)
    shown: Counter[str] = Counter()
    for row in facts.charge_events:
        numbers[row.vendor_id] += range(row.last_seq - len(row.charge_ids) + 1, row.last_seq + 1)
        shown.update(row.charge_ids)
    for event in (*facts.reversal_events, *facts.fact_events):
        numbers[event.vendor_id].append(event.seq)
    heads = {row.vendor_id: row.last_seq for row in facts.feed_heads}
    for vendor, given in numbers.items():
        if sorted(given) != list(range(1, heads.get(vendor, 0) + 1)):
            yield Finding(LEDGERS, f"the feed of vendor {vendor} has gaps or doubles up to {heads.get(vendor)}")
    yield from (Finding(ONE_EFFECT, f"charge {charge_id} is in the feed {count} times") for charge_id, count in shown.items() if count > 1)
    for charge in facts.charges:
        if charge.state != ACCEPTED and not shown[charge.id]:
            yield Finding(PROMISES, f"charge {charge.id} is final, and its vendor's feed does not say so")
    told = Counter(event.reversal_id for event in facts.reversal_events)
    for reversal in facts.reversals:
        if told[reversal.id] != (1 if reversal.state == SUCCEEDED else 0):
            yield Finding(PROMISES, f"reversal {reversal.id} in state {reversal.state} is in the feed {told[reversal.id]} times")
    confirmed: Counter[Any] = Counter(event.request_id for event in facts.fact_events if event.kind == CREDIT_CONFIRMED)
    for request in facts.requests:
        wanted = 1 if request.state == CONFIRMED else 0
        if confirmed[request.id] != wanted:
            yield Finding(PROMISES, f"credit request {request.id} in state {request.state} is in the feed {confirmed[request.id]} times")
