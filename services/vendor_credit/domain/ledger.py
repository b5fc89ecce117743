"""The vendor ledger: entries with gap-free numbers, running balances and a hash chain."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import NamedTuple

from shared.documents.chain import GENESIS_HASH, entry_hash

MAX_BALANCE = 2**53 - 1
"""Largest balance: JSON numbers are exact up to here."""


class EntryKind(IntEnum):
    """Why a balance changed; the numbers of charging.vendor_credit.v1.VendorEntryKind."""

    CREDIT = 1
    CHARGE = 2
    REVERSAL = 3


class Entry(NamedTuple):
    """One line of a vendor's ledger. `amount` is signed; amounts and balances are in minor units."""

    vendor_id: int
    seq: int
    amount: int
    balance_after: int
    kind: int
    reference: str
    created_at: datetime
    hash: bytes


@dataclass(slots=True)
class Account:
    """The head of a vendor's ledger, locked by whoever computes with it."""

    vendor_id: int
    balance: int
    credit_limit: int
    suspended: bool
    last_seq: int
    last_hash: bytes
    last_entry_at: datetime
    low_balance_threshold: int = 0
    stopped: bool = False
    duplicate_window_seconds: int = 0

    @property
    def available(self) -> int:
        """Return what can still be charged, in minor units."""
        return self.balance + self.credit_limit

    def post(self, kind: int, amount: int, reference: str, now: datetime) -> Entry:
        """Append an entry and move the head. `now` is UTC; an entry is never dated before the one in front of it."""
        created_at = max(now, self.last_entry_at)
        seq, balance = self.last_seq + 1, self.balance + amount
        digest = entry_hash(self.last_hash, self.vendor_id, seq, amount, balance, kind, reference, created_at)
        self.last_seq, self.balance, self.last_hash, self.last_entry_at = seq, balance, digest, created_at
        return Entry(self.vendor_id, seq, amount, balance, kind, reference, created_at, digest)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a vendor's ledger was checked: seq, balance, hash and time of the last entry that was found whole."""

    vendor_id: int
    seq: int
    balance: int
    hash: bytes
    entry_at: datetime


def genesis(vendor_id: int) -> Checkpoint:
    """Return where the check of a ledger begins that was never checked before."""
    return Checkpoint(vendor_id, 0, 0, GENESIS_HASH, datetime.min.replace(tzinfo=UTC))


class ChainCheck:
    """Check one vendor's ledger, entry by entry, oldest first, on from a checkpoint; `finding` is the first broken rule, one sentence."""

    def __init__(self, start: Checkpoint) -> None:
        self.finding: str | None = None
        self._vendor_id = start.vendor_id
        self._seq, self._balance, self._digest, self._moment = start.seq, start.balance, start.hash, start.entry_at

    @property
    def checkpoint(self) -> Checkpoint:
        """Return how far the ledger is whole; only while there is no finding."""
        return Checkpoint(self._vendor_id, self._seq, self._balance, self._digest, self._moment)

    def add(self, entry: Entry) -> None:
        """Check the next entry. Nothing is checked past the first finding."""
        if self.finding is not None:
            return
        self._seq, self._balance = self._seq + 1, self._balance + entry.amount
        self._digest = entry_hash(
            self._digest, entry.vendor_id, entry.seq, entry.amount, entry.balance_after, entry.kind, entry.reference, entry.created_at
        )
        broken = None
        if entry.seq != self._seq:
            broken = f"seq {self._seq} was expected"
        elif entry.balance_after != self._balance:
            broken = f"balance_after is {entry.balance_after}, the sum of amounts is {self._balance}"
        elif entry.created_at < self._moment:
            broken = "dated before the entry in front of it"
        elif entry.hash != self._digest:
            broken = "the hash chain breaks here"
        if broken is not None:
            self.finding = f"vendor {self._vendor_id} entry {entry.seq}: {broken}"
        self._moment = entry.created_at

    def finish(self, head: Account) -> None:
        """Compare the ledger's end with the head that is stored on the vendor."""
        if self.finding is not None:
            return
        if (head.last_seq, head.balance, head.last_hash) != (self._seq, self._balance, self._digest):
            self.finding = (
                f"vendor {self._vendor_id}: the balance is {head.balance} after {head.last_seq} entries, "
                f"the ledger says {self._balance} after {self._seq}"
            )
        elif head.balance < -head.credit_limit:
            self.finding = f"vendor {self._vendor_id}: the balance {head.balance} is below the limit of -{head.credit_limit}"


def spread(first: int, last: int, count: int) -> list[int]:
    """Return at most `count` (2 or more) whole numbers from `first` to `last`, both included, as evenly apart as they can be."""
    steps = min(count - 1, last - first)
    if steps <= 0:
        return [first] if first == last else []
    return [first + (last - first) * step // steps for step in range(steps + 1)]
