"""The customer ledger: entries with gap-free numbers and running balances."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from services.customer_charge.domain.charges import PendingCharge


class EntryKind(IntEnum):
    """Why a balance changed; the numbers of charging.customer_charge.v1.CustomerEntryKind."""

    CHARGE = 1
    REVERSAL = 2


class Entry(NamedTuple):
    """One line of a customer's ledger; `amount` is signed, in minor units; `reference` is the id of the charge or reversal."""

    customer_id: int
    seq: int
    vendor_id: int
    amount: int
    balance_after: int
    kind: int
    reference: str
    created_at: datetime


@dataclass(slots=True)
class Account:
    """The head of a customer's ledger, locked by whoever computes with it."""

    customer_id: int
    balance: int
    last_seq: int
    stopped: bool = False


def credit(accounts: Mapping[int, Account], charges: Iterable[PendingCharge], now: datetime) -> list[Entry]:
    """Credit the charges to their customers, in order, and return the entries; moves the locked heads in `accounts`."""
    kind = int(EntryKind.CHARGE)
    entries = []
    for charge in charges:
        account = accounts[charge.customer_id]
        account.balance += charge.amount
        account.last_seq += 1
        entries.append(
            Entry(charge.customer_id, account.last_seq, charge.vendor_id, charge.amount, account.balance, kind, charge.charge_id, now)
        )
    return entries
