"""Credit vendors back for reversed charges."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from services.vendor_credit.domain.ledger import MAX_BALANCE, Account, Entry, EntryKind


class CreditOutcome(IntEnum):
    """The numbers of charging.vendor_credit.v1.CreditOutcome."""

    CREDITED = 1
    MISMATCH = 2
    NOT_POSSIBLE = 3


@dataclass(frozen=True, slots=True)
class ReversalCredit:
    """What a reversal gives back to a vendor; `amount` in minor units. Equal means the same reversal, vendor and amount."""

    reversal_id: str
    vendor_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class CreditResult:
    """What became of one credit; `balance_after` is what the vendor held right after it, in minor units, None where there was none."""

    outcome: CreditOutcome
    balance_after: int | None = None


def credit(
    accounts: Mapping[int, Account], credits_due: Iterable[ReversalCredit], now: datetime
) -> tuple[list[ReversalCredit], list[Entry]]:
    """Credit reversals that were never credited before, in order, and return those that were possible and the entries they make.

    A suspended vendor gets its credit back like any other. Left out is what no entry can be made for: a vendor that does not exist or is
    stopped, or a balance beyond the cap. `accounts` are locked heads and are moved by what is posted.
    """
    made: list[ReversalCredit] = []
    entries: list[Entry] = []
    for each in credits_due:
        account = accounts.get(each.vendor_id)
        if account is None or account.stopped or account.balance + each.amount > MAX_BALANCE:
            continue
        made.append(each)
        entries.append(account.post(EntryKind.REVERSAL, each.amount, each.reversal_id, now))
    return made, entries
