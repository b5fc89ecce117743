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
        decision = _decide_one(account, debit, guard)
        decisions.append(decision)
        if account is not None and decision.outcome == Outcome.DEBITED:
            entries.append(account.post(EntryKind.CHARGE, -debit.amount, debit.charge_id, now))
            guard.add(debit)
    return decisions, entries


def _decide_one(account: Account | None, debit: Debit, guard: Guard) -> Decision:
    if account is None:
        return Decision(debit.charge_id, debit.vendor_id, debit.amount, Outcome.REFUSED, Refusal.VENDOR_NOT_FOUND)
    if account.stopped or debit.customer_stopped:
        return Decision(
            debit.charge_id,
            debit.vendor_id,
            debit.amount,
            Outcome.REFUSED,
            Refusal.ACCOUNT_STOPPED,
            account.available,
            balance_after=account.balance,
        )
    if account.suspended or guard.refuses(debit):
        return Decision(
            debit.charge_id,
            debit.vendor_id,
            debit.amount,
            Outcome.REFUSED,
            Refusal.VENDOR_SUSPENDED if account.suspended else Refusal.DUPLICATE_CHARGE,
            account.available,
            balance_after=account.balance,
        )
    if account.available < debit.amount:
        shortfall = debit.amount - account.available
        return Decision(
            debit.charge_id,
            debit.vendor_id,
            debit.amount,
            Outcome.REFUSED,
            Refusal.INSUFFICIENT_CREDIT,
            account.available,
            shortfall,
            account.balance,
        )
    return Decision(debit.charge_id, debit.vendor_id, debit.amount, Outcome.DEBITED, balance_after=account.balance - debit.amount)
