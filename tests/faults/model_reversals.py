"""Reversals in plain Python: what was taken back, from whom, and for whom."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.facts import Facts
from tests.faults.model import (
    ACCEPTED,
    CONSERVATION,
    CUSTOMER_REVERSAL,
    FINAL,
    ONE_EFFECT,
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
