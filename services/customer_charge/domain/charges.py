"""A charge and its life: accepted, then succeeded or failed.

Named tuples, because thousands of them are made a second: a frozen dataclass of ten fields takes three times as long to make.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple


class ChargeState(IntEnum):
    """The numbers of charging.customer_charge.v1.ChargeState."""

    ACCEPTED = 1
    SUCCEEDED = 2
    FAILED = 3


class FailureReason(IntEnum):
    """The numbers of charging.customer_charge.v1.FailureReason."""

    INSUFFICIENT_CREDIT = 1
    VENDOR_SUSPENDED = 2
    VENDOR_NOT_FOUND = 3
    DUPLICATE_CHARGE = 4
    ACCOUNT_STOPPED = 30


class Charge(NamedTuple):
    """A charge as it is now; amounts in minor units. `failure_reason` is a charging.customer_charge.v1.FailureReason.

    `external_id` and `metadata` are what the caller noted on it; None where it noted nothing. `reversed_amount` is what reversals took
    back, `allow_duplicate` that it may repeat another charge within the vendor's duplicate window.
    """

    id: str
    vendor_id: int
    customer_id: int
    amount: int
    state: int
    failure_reason: int | None
    available: int | None
    shortfall: int | None
    created_at: datetime
    settled_at: datetime | None
    external_id: str | None = None
    metadata: Mapping[str, str] | None = None
    reversed_amount: int = 0
    allow_duplicate: bool = False


class ChargeOrder(NamedTuple):
    """What a caller wants charged. `charge_id` was made before the order was first sent; `key` is the idempotency key.

    `external_id` and `metadata` are the caller's notes; None, never empty, where it made none. `allow_duplicate` as in Charge. `known` says
    that the key was probably used before, so that it is worth looking before trying; the outcome is the same.
    """

    charge_id: str
    vendor_id: int
    customer_id: int
    amount: int
    key: str
    principal: str
    external_id: str | None = None
    metadata: Mapping[str, str] | None = None
    allow_duplicate: bool = False
    known: bool = False

    @property
    def detailed(self) -> bool:
        """Tell whether the caller noted or allowed anything."""
        return self.external_id is not None or self.metadata is not None or self.allow_duplicate

    def details_of(self, charge: Charge) -> bool:
        """Tell whether the charge has exactly the notes of this order, and allows what it allows."""
        return (self.external_id, self.metadata, self.allow_duplicate) == (charge.external_id, charge.metadata, charge.allow_duplicate)


class PendingCharge(NamedTuple):
    """An accepted charge that is not final; amount in minor units. `customer_stopped`: nothing may be credited to its customer."""

    charge_id: str
    vendor_id: int
    customer_id: int
    amount: int
    customer_stopped: bool = False
    allow_duplicate: bool = False


class Verdict(NamedTuple):
    """What the vendor ledger decided about a pending charge. Exactly one of debited, refused (`reason` set) or neither (mismatch).

    `balance_after` is what the vendor held right after the decision, in minor units; None where that is not known.
    """

    charge: PendingCharge
    debited: bool
    reason: int | None = None
    available: int = 0
    shortfall: int = 0
    balance_after: int | None = None

    @property
    def state(self) -> ChargeState | None:
        """Return the final state the verdict leads to; None when it leads nowhere and a person must look."""
        if self.debited:
            return ChargeState.SUCCEEDED
        return ChargeState.FAILED if self.reason is not None else None


def slot_of(vendor_id: int, slots: int) -> int:
    """Return the slot whose worker settles the vendor's charges: one vendor's charges are one slot's, so its row is locked once a batch.

    `slots` are those of all cells together. Counted like this a slot belongs to the cell of its vendors: it leaves the same number as
    their ids when divided by the number of cells, and a hint that names it needs to say no more.
    """
    return vendor_id % slots
