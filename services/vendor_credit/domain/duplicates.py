"""The guard against charging one customer the same amount twice by mistake."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from services.vendor_credit.domain.debits import Debit
from services.vendor_credit.domain.ledger import Account

MAX_MILLISECONDS = (1 << 48) - 1
"""The last time that the 48 bits of a UUID of version 7 can tell."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A debit of a vendor with a window, and which charge ids are its neighbours: from `first` to `last`, both included."""

    debit: Debit
    first: str
    last: str


class DuplicateGuard:
    """Knows what was debited near the debits of one batch, and what the batch itself has debited so far.

    Two charges are neighbours when their ids were made less than the window apart, whichever came first: however late a charge is decided,
    only when it was made counts. All charges that were debited count, also those that were allowed to be duplicates.
    """

    def __init__(self, watched: Sequence[Watched] = (), repeating: Container[str] = ()) -> None:
        """`repeating` are the charge ids of those of the watched that have a neighbour in the ledger already."""
        self._watched = {each.debit.charge_id: each for each in watched}
        self._repeating = repeating
        self._debited: dict[tuple[int, int, int], list[str]] = {}
        self.remembered: list[Debit] = []

    def refuses(self, debit: Debit) -> bool:
        """Tell whether the debit repeats another one, and was not allowed to."""
        watched = self._watched.get(debit.charge_id)
        if watched is None or debit.allow_duplicate:
            return False
        if debit.charge_id in self._repeating:
            return True
        return any(watched.first <= charge_id <= watched.last for charge_id in self._debited.get(_kind(debit), ()))

    def add(self, debit: Debit) -> None:
        """Take note of a debit that was taken from its vendor."""
        if debit.charge_id in self._watched:
            self._debited.setdefault(_kind(debit), []).append(debit.charge_id)
            self.remembered.append(debit)


def watch(accounts: Mapping[int, Account], debits: Sequence[Debit]) -> list[Watched]:
    """Return those of the debits whose vendor has a window, each with its neighbourhood."""
    windows = {vendor_id: account.duplicate_window_seconds for vendor_id, account in accounts.items() if account.duplicate_window_seconds}
    if not windows:
        return []
    return [_watched(debit, windows[debit.vendor_id]) for debit in debits if debit.vendor_id in windows and debit.customer_id]


def _watched(debit: Debit, window_seconds: int) -> Watched:
    made_at, reach = int(debit.charge_id.replace("-", "")[:12], 16), window_seconds * 1_000 - 1
    first, last = max(made_at - reach, 0), min(made_at + reach, MAX_MILLISECONDS)
    return Watched(debit, f"{_time(first)}-0000-0000-000000000000", f"{_time(last)}-ffff-ffff-ffffffffffff")


def _time(milliseconds: int) -> str:
    """Return the first 48 bits of an id as text, which sorts as the number does."""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _kind(debit: Debit) -> tuple[int, int, int]:
    return debit.vendor_id, debit.customer_id, debit.amount
