"""A reversal and its life: accepted, then succeeded or failed; and how much of a charge it may take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.domain.ledger import Account, Entry, EntryKind
from shared.errors import FailedPrecondition


class ReversalState(IntEnum):
    """The numbers of charging.customer_charge.v1.ReversalState."""

    ACCEPTED = 1
    SUCCEEDED = 2
    FAILED = 3


INSUFFICIENT_CUSTOMER_BALANCE = 1
"""The number in charging.customer_charge.v1.ReversalFailureReason; there is no other reason."""


@dataclass(frozen=True, slots=True)
class Reversal:
    """A reversal as it is now; amounts in minor units.

    `asked_amount` is None where the caller left it out. `failure_reason` is a charging.customer_charge.v1.ReversalFailureReason.
    """

    id: str
    charge_id: str
    vendor_id: int
    customer_id: int
    amount: int
    asked_amount: int | None
    reason: str
    state: int
    failure_reason: int | None
    available: int | None
    shortfall: int | None
    created_at: datetime
    debited_at: datetime | None
    settled_at: datetime | None

    def made_by(self, order: "ReversalOrder") -> bool:
        """Tell whether the reversal was made by the same payload, compared column by column."""
        return (self.charge_id, self.asked_amount, self.reason) == (order.charge_id, order.asked_amount, order.reason)


@dataclass(frozen=True, slots=True)
class ReversalOrder:
    """What a caller wants taken back. `reversal_id` was made before the order was first sent; `key` is the idempotency key.

    `asked_amount` is in minor units, None for all that is left.
    """

    reversal_id: str
    charge_id: str
    asked_amount: int | None
    reason: str
    key: str
    principal: str


@dataclass(frozen=True, slots=True)
class ReversibleCharge:
    """A charge under its lock; `reserved_amount` is what its reversals, done and on their way, take of its `amount` already."""

    id: str
    vendor_id: int
    customer_id: int
    amount: int
    state: int
    reserved_amount: int


@dataclass(frozen=True, slots=True)
class PendingReversal:
    """An accepted reversal that is not final; amount in minor units."""

    reversal_id: str
    charge_id: str
    vendor_id: int
    customer_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class Credit:
    """What the vendor ledger says of a reversal: whether the credit was `given` back, and what the vendor held right after.

    Not given is an alarm. `vendor_balance_after` is in minor units, None where nothing was given.
    """

    given: bool
    vendor_balance_after: int | None = None


@dataclass(frozen=True, slots=True)
class ReversalVerdict:
    """The end of a reversal: succeeded, or failed because the customer held `available`, which was `shortfall` too little.

    `vendor_balance_after` is what the vendor held right after its credit, None for a failed reversal; all in minor units.
    """

    reversal: PendingReversal
    state: ReversalState
    available: int | None = None
    shortfall: int | None = None
    vendor_balance_after: int | None = None


def amount_to_reverse(charge: ReversibleCharge, asked_amount: int | None) -> int:
    """Return how much of a locked charge a new reversal takes, in minor units.

    Raises FailedPrecondition: CHARGE_NOT_SUCCEEDED, or REVERSAL_EXCEEDS_CHARGE for more than what is left of it.
    """
    if charge.state != ChargeState.SUCCEEDED:
        state = ChargeState(charge.state).name.lower()
        raise FailedPrecondition(
            f"charge {charge.id} is {state}; only one that succeeded can be reversed",
            reason="CHARGE_NOT_SUCCEEDED",
            metadata={"id": charge.id, "state": state},
        )
    left = charge.amount - charge.reserved_amount
    wanted = left if asked_amount is None else asked_amount
    if wanted > left or not wanted:
        raise FailedPrecondition(
            f"of charge {charge.id} {left} can still be reversed",
            reason="REVERSAL_EXCEEDS_CHARGE",
            metadata={"id": charge.id, "reversible": str(left)},
        )
    return wanted


def debit(
    accounts: Mapping[int, Account], reversals: Iterable[PendingReversal], now: datetime
) -> tuple[list[Entry], list[ReversalVerdict]]:
    """Debit the reversals from their customers, in order; return the entries, and a verdict for each that a customer cannot pay.

    One that cannot be paid does not stop a smaller one behind it. Moves the locked heads in `accounts`.
    """
    entries: list[Entry] = []
    refused: list[ReversalVerdict] = []
    for reversal in reversals:
        account = accounts[reversal.customer_id]
        if account.balance < reversal.amount:
            refused.append(ReversalVerdict(reversal, ReversalState.FAILED, account.balance, reversal.amount - account.balance))
            continue
        account.balance -= reversal.amount
        account.last_seq += 1
        entries.append(
            Entry(
                customer_id=reversal.customer_id,
                seq=account.last_seq,
                vendor_id=reversal.vendor_id,
                amount=-reversal.amount,
                balance_after=account.balance,
                kind=EntryKind.REVERSAL,
                reference=reversal.reversal_id,
                created_at=now,
            )
        )
    return entries, refused
