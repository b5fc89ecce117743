"""Statements of closed periods: which periods have one, and what is signed of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.documents.chain import GENESIS_HASH
from shared.errors import InvalidArgument
from shared.times import rfc3339


@dataclass(frozen=True, slots=True)
class Balance:
    """Where a ledger stands after the entry `seq`: 0, balance 0 and the genesis hash at its beginning. `balance` is in minor units."""

    seq: int
    balance: int
    hash: bytes


BEGINNING = Balance(0, 0, GENESIS_HASH)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a vendor's ledger says of [start, stop); closing of one is opening of the next."""

    vendor_id: int
    start: datetime
    stop: datetime
    opening: Balance
    closing: Balance
    issued_at: datetime

    @property
    def entry_count(self) -> int:
        """Return the number of entries in the period: numbers have no gap."""
        return self.closing.seq - self.opening.seq

    def facts(self) -> dict[str, Any]:
        """Return what is signed: the statement as JSON shows it, without the signature."""
        return {
            "vendor": self.vendor_id,
            "from": rfc3339(self.start),
            "to": rfc3339(self.stop),
            "opening": {"kind": "opening", **_shown(self.opening)},
            "closing": {"kind": "closing", **_shown(self.closing)},
            "entry_count": self.entry_count,
            "issued_at": rfc3339(self.issued_at),
        }


def _shown(balance: Balance) -> dict[str, Any]:
    return {"seq": balance.seq, "balance_after": balance.balance, "hash": balance.hash.hex()}


def check_period(start: datetime, stop: datetime, now: datetime) -> None:
    """Raise InvalidArgument for a period that is empty or not over yet."""
    if stop > now:
        raise InvalidArgument.of_field("to", "must not be in the future: a statement is of a period that is over")
    if start >= stop:
        raise InvalidArgument.of_field("to", "must be after the beginning of the period")
