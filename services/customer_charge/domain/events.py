"""Events of a vendor's feed, and how they get their numbers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from services.customer_charge.domain.charges import Charge, Verdict

ROW_EVENTS_MAX = 64
"""Most charge events in one row: 24 bytes each keep it below the 2 kB from which PostgreSQL compresses and moves values out."""


class EventType(IntEnum):
    """The numbers of charging.customer_charge.v1.EventType."""

    CHARGE_SUCCEEDED = 1
    CHARGE_FAILED = 2
    CHARGE_REVERSED = 3
    CREDIT_CONFIRMED = 4
    BALANCE_LOW = 5


@dataclass(frozen=True, slots=True)
class ChargeEvents:
    """Neighbouring events of charges: the last one has the number `last_seq`. Balances are the vendor's, in minor units."""

    vendor_id: int
    last_seq: int
    charge_ids: Sequence[str]
    vendor_balances: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact of a vendor's ledger, named by vendor, ledger entry and kind; `amount` is what was posted, or the threshold crossed."""

    vendor_id: int
    entry_seq: int
    kind: int
    vendor_balance: int
    amount: int
    request_id: int
    created_at: datetime

    @property
    def name(self) -> tuple[int, int, int]:
        """Return what the fact is known by for ever."""
        return self.vendor_id, self.entry_seq, self.kind


@dataclass(frozen=True, slots=True)
class ReversalFact:
    """A reversal that succeeded; amount in minor units."""

    id: str
    charge_id: str
    customer_id: int
    amount: int
    reason: str
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One event; exactly one of `charge`, `reversal` and `fact` says what it is about. Balance in minor units, None if not known."""

    vendor_id: int
    seq: int
    type: EventType
    created_at: datetime
    vendor_balance: int | None
    charge: Charge | None = None
    fact: Fact | None = None
    reversal: ReversalFact | None = None

    @property
    def name(self) -> str:
        """Return the event's name, unique in the deployment."""
        return f"evt_{self.vendor_id}_{self.seq}"


def by_vendor(verdicts: Iterable[Verdict]) -> dict[int, list[Verdict]]:
    """Return the verdicts of each vendor, in their order; vendors in id order, which is the order of locks."""
    grouped: dict[int, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        grouped[verdict.charge.vendor_id].append(verdict)
    return dict(sorted(grouped.items()))


def number_charges(grouped: Mapping[int, Sequence[Verdict]], heads: Mapping[int, int]) -> Iterator[ChargeEvents]:
    """Yield rows of events for the verdicts, in order; `heads` are the feeds' heads after these events."""
    for vendor_id, verdicts in grouped.items():
        first = heads[vendor_id] - len(verdicts)
        for start in range(0, len(verdicts), ROW_EVENTS_MAX):
            part = verdicts[start : start + ROW_EVENTS_MAX]
            yield ChargeEvents(
                vendor_id,
                first + start + len(part),
                [verdict.charge.charge_id for verdict in part],
                [verdict.balance_after for verdict in part],
            )


def unbroken(events: Iterable[Event], after: int) -> list[Event]:
    """Return the events that follow the number `after` without a gap, in order.

    A feed has no gaps. Where the tables that hold it were read one after the other, one of them may show events whose forerunners the
    other did not show yet: those wait for the next look.
    """
    found: list[Event] = []
    for event in sorted(events, key=lambda event: event.seq):
        if event.seq != after + len(found) + 1:
            break
        found.append(event)
    return found
