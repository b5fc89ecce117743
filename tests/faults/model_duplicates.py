"""The guard against duplicates in plain Python: by the times in the charges' ids (RFC 9562, 5.7), whenever they were decided."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.faults.facts import Facts
from tests.faults.model import DEBITED, DUPLICATE_CHARGE, PROMISES, REFUSED, Finding


def replay_duplicates(facts: Facts) -> Iterator[Finding]:
    """Check the vendors with a window: no two debits nearer than it, and no refusal without a debit that near. Nobody allows duplicates."""
    windows = {vendor.id: vendor.duplicate_window_seconds * 1_000 for vendor in facts.vendors}
    outcomes = {decision.charge_id: (decision.outcome, decision.reason) for decision in facts.decisions}
    alike: dict[tuple[int, int, int], list[str]] = defaultdict(list)
    for charge in facts.charges:
        alike[charge.vendor_id, charge.customer_id, charge.amount].append(charge.id)
    for (vendor, *_), charges in alike.items():
        debited = sorted(_made_at(charge) for charge in charges if outcomes.get(charge, (0, 0))[0] == DEBITED)
        window = windows[vendor]
        if any(later - earlier < window for earlier, later in pairwise(debited)):
            yield Finding(PROMISES, f"vendor {vendor} was charged twice within {window} ms for one customer and amount: {sorted(charges)}")
        for charge in charges:
            if outcomes.get(charge) == (REFUSED, DUPLICATE_CHARGE) and not any(abs(_made_at(charge) - at) < window for at in debited):
                yield Finding(PROMISES, f"charge {charge} was refused as a duplicate, and of nothing")


def _made_at(charge_id: str) -> int:
    return int(charge_id.replace("-", "")[:12], 16)
