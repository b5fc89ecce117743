"""Decide debits: who can pay, in what order, and what is said to who cannot."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, Protocol

from services.vendor_credit.domain.ledger import Account, Entry, EntryKind


class Outcome(IntEnum):
    """The numbers of charging.vendor_credit.v1.DebitOutcome."""

    DEBITED = 1
    REFUSED = 2
    MISMATCH = 3


class Refusal(IntEnum):
    """The numbers of charging.vendor_credit.v1.RefusalReason."""

    NONE = 0
    INSUFFICIENT_CREDIT = 1
    VENDOR_SUSPENDED = 2
    VENDOR_NOT_FOUND = 3
    DUPLICATE_CHARGE = 4
    ACCOUNT_STOPPED = 30


DEBITED, REFUSED, NO_REFUSAL, CHARGE = int(Outcome.DEBITED), int(Outcome.REFUSED), int(Refusal.NONE), int(EntryKind.CHARGE)
"""Plain numbers, of which thousands are compared and written a second: members of an enumeration cost several times as much."""


class Debit(NamedTuple):
    """A charge to take from a vendor; `amount` in minor units. `customer_stopped`: it is to be refused unless it was decided before.

    `customer_id` is 0 where it is not known.
    """

    charge_id: str
    vendor_id: int
    amount: int
    customer_stopped: bool = False
    customer_id: int = 0
    allow_duplicate: bool = False


class Guard(Protocol):
    """Who knows which debits repeat others."""

    def refuses(self, debit: Debit) -> bool:
        """Tell whether the debit repeats another one, and was not allowed to."""
        ...

    def add(self, debit: Debit) -> None:
        """Take note of a debit that was taken from its vendor."""
        ...


class Decision(NamedTuple):
    """What was decided about one charge. `available` and `shortfall` are in minor units and 0 unless refused.

    `balance_after` is what the vendor held right after the decision, None where that is not known: it is not stored with the decision.
    """

    charge_id: str
    vendor_id: int
    amount: int
    outcome: int
    reason: int = Refusal.NONE
    available: int = 0
    shortfall: int = 0
    balance_after: int | None = None

    def answers(self, debit: Debit) -> bool:
        """Tell whether this decision was made for exactly this debit."""
        return (self.vendor_id, self.amount) == (debit.vendor_id, debit.amount)


def decide(accounts: Mapping[int, Account], debits: Sequence[Debit], now: datetime, guard: Guard) -> tuple[list[Decision], list[Entry]]:
    """Decide debits that were never decided before, in order, and return the decisions and the entries they make.

    A refused debit does not stop a smaller one behind it. `accounts` are locked heads and are moved by what is posted; `guard` is told of
    it too.
    """
    decisions: list[Decision] = []
    entries: list[Entry] = []
    for debit in debits:
        account = accounts.get(debit.vendor_id)
        if account is None:
            decisions.append(Decision(debit.charge_id, debit.vendor_id, debit.amount, REFUSED, Refusal.VENDOR_NOT_FOUND))
            continue
        refusal = _refusal(account, debit, guard)
        if refusal is not None:
            decisions.append(_refused(account, debit, refusal))
            continue
        entry = account.post(CHARGE, -debit.amount, debit.charge_id, now)
        decisions.append(Decision(debit.charge_id, debit.vendor_id, debit.amount, DEBITED, NO_REFUSAL, 0, 0, entry.balance_after))
        entries.append(entry)
        guard.add(debit)
    return decisions, entries


def _refusal(account: Account, debit: Debit, guard: Guard) -> Refusal | None:
    if account.stopped or debit.customer_stopped:
        return Refusal.ACCOUNT_STOPPED
    if account.suspended:
        return Refusal.VENDOR_SUSPENDED
    if guard.refuses(debit):
        return Refusal.DUPLICATE_CHARGE
    return Refusal.INSUFFICIENT_CREDIT if account.available < debit.amount else None


def _refused(account: Account, debit: Debit, refusal: Refusal) -> Decision:
    shortfall = debit.amount - account.available if refusal == Refusal.INSUFFICIENT_CREDIT else 0
    return Decision(debit.charge_id, debit.vendor_id, debit.amount, REFUSED, refusal, account.available, shortfall, account.balance)
