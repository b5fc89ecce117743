"""Facts of the ledger that a vendor's feed of events shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from services.vendor_credit.domain.ledger import Account, Entry, EntryKind


class FactKind(IntEnum):
    """What a fact says; the numbers of charging.customer_charge.v1.EventType."""

    CREDIT_CONFIRMED = 4
    BALANCE_LOW = 5


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact, named by vendor, ledger entry and kind.

    `amount` is what was posted, or the threshold that was crossed; amounts and balances are in minor units. `request_id` is 0 where no
    credit request is meant.
    """

    vendor_id: int
    entry_seq: int
    kind: int
    balance_after: int
    amount: int
    request_id: int
    created_at: datetime


def facts_of(accounts: Mapping[int, Account], entries: Sequence[Entry]) -> list[Fact]:
    """Return the facts that new entries of locked vendors make.

    The balance is low once for each time an entry takes it from at or above the threshold to below it, so it must have risen again before
    it can be low once more. Vendors without a threshold cost no look at their charges.
    """
    thresholds = {vendor_id: account.low_balance_threshold for vendor_id, account in accounts.items() if account.low_balance_threshold}
    facts = [_confirmed(entry) for entry in entries if entry.kind == EntryKind.CREDIT]
    if thresholds:
        facts += [
            Fact(entry.vendor_id, entry.seq, FactKind.BALANCE_LOW, entry.balance_after, threshold, 0, entry.created_at)
            for entry in entries
            if (threshold := thresholds.get(entry.vendor_id)) is not None
            and entry.balance_after < threshold <= entry.balance_after - entry.amount
        ]
    return facts


def _confirmed(entry: Entry) -> Fact:
    return Fact(
        entry.vendor_id, entry.seq, FactKind.CREDIT_CONFIRMED, entry.balance_after, entry.amount, int(entry.reference), entry.created_at
    )
