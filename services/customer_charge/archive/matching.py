"""Match archived charges and reversals with their entries in both ledgers, one by one, from the files alone.

A charge is filed by the time in its id and its entries by their own, so the two may lie in different months, mostly minutes apart at an
end: what has no counterpart in its month waits for the next. With every charge its sums match too, for each vendor and month.
"""

from collections.abc import Collection, Iterator, Mapping
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
from charging.vendor_credit.v1 import vendor_credit_pb2

from services.customer_charge.archive.files import CHARGES, REVERSALS
from services.customer_charge.archive.sides import Fact, Key, Posting, Side
from services.customer_charge.domain.archived import made_at
from services.customer_charge.domain.charge_ids import first_id_at
from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.domain.ledger import EntryKind
from shared.archive.errors import BadArchive
from shared.archive.months import GRACE, Month
from shared.archive.tables import INTEGER, SMALL, TEXT, TIME, between, columns, scan_rows

CHUNK = 100_000
"""Charges and reversals in memory at a time, some tens of megabytes; the entries of their month are gone through once for each chunk."""

CHARGE, REVERSAL = int(EntryKind.CHARGE), int(EntryKind.REVERSAL)
_OWN_KINDS = {CHARGE: CHARGE, REVERSAL: REVERSAL}
_VENDOR_KINDS: Mapping[int, int] = {
    vendor_credit_pb2.VENDOR_ENTRY_KIND_CHARGE: CHARGE,
    vendor_credit_pb2.VENDOR_ENTRY_KIND_REVERSAL: REVERSAL,
}

_FACT_COLUMNS = columns(id=TEXT, vendor_id=INTEGER, customer_id=INTEGER, amount=INTEGER, state=SMALL, settled_at=TIME)
_REVERSED_COLUMNS = columns(charge_id=TEXT, vendor_id=INTEGER, customer_id=INTEGER, amount=INTEGER, state=SMALL)


class Matched(NamedTuple):
    """What of a month was matched: how many charges and reversals that succeeded, and in which ledgers."""

    month: Month
    charges: int
    reversals: int
    ledgers: tuple[str, ...]


class LedgerMatch:
    """Matches with one service's entries, month after month, from `since` on. Raises BadArchive at the first that does not fit."""

    def __init__(self, side: Side, since: Month) -> None:
        self.side = side
        self._since = since
        self._open: dict[Key, Fact] = {}
        """Without an entry so far: settled so near the month's end, or so much later, that the entry may be of a later month."""
        self._early: dict[Key, Posting] = {}
        """Entries of charges and reversals that are filed under the next month, where two clocks differed."""

    def match(self, month: Month, first: str, until: str, facts: dict[Key, Fact]) -> None:
        """Match all facts of the month with ids in [first, until)."""
        expected = dict(facts)
        for posting in chain(self._came_early(first, until), self.side.within(month, first, until)):
            self._compare(expected.pop(posting.key, None), posting)
        for fact in expected.values():
            self._refuse_late(fact, month)
        self._open |= expected

    def finish(self, month: Month) -> None:
        """Match the month's entries of other months' charges and reversals."""
        first, until = first_id_at(month.start), first_id_at(month.stop)
        for posting in self.side.beyond(month, first, until):
            identifier = posting.key[1]
            if until <= identifier and made_at(identifier) < month.stop + GRACE:
                self._early[posting.key] = posting
            elif posting.key in self._open or identifier >= first_id_at(self._since.start):
                self._compare(self._open.pop(posting.key, None), posting)
        for fact in self._open.values():
            self._refuse_late(fact, month)

    def _came_early(self, first: str, until: str) -> list[Posting]:
        return [self._early.pop(key) for key in sorted(self._early) if first <= key[1] < until]

    def _compare(self, fact: Fact | None, posting: Posting) -> None:
        if fact is None:
            raise BadArchive(f"{self.side.name}: an entry is of {_named(posting.key)}, which did not succeed or has its entry already")
        expected = self.side.expected(fact)
        if posting != expected:
            raise BadArchive(f"{self.side.name}: the entry of {_named(fact.key)} is {posting[1:]}, and should be {expected[1:]}")

    def _refuse_late(self, fact: Fact, month: Month) -> None:
        """Raise BadArchive when the entry of a fact should have been in this month at the latest."""
        if fact.settled_at < month.stop - GRACE:
            raise BadArchive(f"{self.side.name}: the entry of {_named(fact.key)} of vendor {fact.vendor_id} is missing up to {month}")


def match_archive(root: Path, among: Collection[Month] | None = None) -> Iterator[Matched]:
    """Match the archived months of this service with its own ledgers, and where those are archived too with the vendors'.

    Yields what was matched of each month, of all or of those `among` some; months that follow each other are matched as one stretch. Raises
    BadArchive.
    """
    own = Side(root, "customer_charge", "customer ledgers", _OWN_KINDS, 1, customers=True)
    vendors = Side(root, "vendor_credit", "vendor ledgers", _VENDOR_KINDS, -1, customers=False)
    archived = {own: own.months(), vendors: vendors.months()}
    months = [month for month in archived[own] if among is None or month in among]
    going: dict[Side, LedgerMatch] = {}
    before: Month | None = None
    for month in months:
        for side, theirs in archived.items():
            if month not in theirs or before is None or before.next() != month:
                going.pop(side, None)
            if month in theirs and side not in going:
                going[side] = LedgerMatch(side, month)
        numbers = {CHARGE: 0, REVERSAL: 0}
        for first, until, facts in _chunks(_facts(root, own, month), month):
            for ledger in going.values():
                ledger.match(month, first, until, facts)
            _check_reversed(root, own, [each for each in archived[own] if each >= month], first, until, facts)
            for kind, _ in facts:
                numbers[kind] += 1
        for ledger in going.values():
            ledger.finish(month)
        yield Matched(month, numbers[CHARGE], numbers[REVERSAL], tuple(side.name for side in going))
        before = month


def _facts(root: Path, own: Side, month: Month) -> Iterator[Fact]:
    """Yield the month's charges and reversals that succeeded, in order of id."""

    def of_file(kind: int, path: Path) -> Iterator[Fact]:
        for identifier, vendor_id, customer_id, amount, _, settled_at in scan_rows(path, _FACT_COLUMNS, _succeeded):
            yield Fact((kind, identifier), vendor_id, customer_id, amount, settled_at)

    folders = [root / str(month) / schema for schema in own.schemas]
    files = [(kind, folder / name) for folder in folders for kind, name in ((CHARGE, CHARGES), (REVERSAL, REVERSALS))]
    return merge(*(of_file(kind, path) for kind, path in files), key=lambda fact: fact.key[1])


def _succeeded(batch: Any) -> Any:
    """Return which rows did; the number is the same for charges and reversals."""
    return pc.equal(batch["state"], int(ChargeState.SUCCEEDED))


def _chunks(facts: Iterator[Fact], month: Month) -> Iterator[tuple[str, str, dict[Key, Fact]]]:
    """Yield ranges of ids [first, until), which cover the month, with the facts in each."""
    first, chunk = first_id_at(month.start), dict[Key, Fact]()
    for fact in facts:
        if len(chunk) >= CHUNK:
            yield first, fact.key[1], chunk
            first, chunk = fact.key[1], {}
        chunk[fact.key] = fact
    yield first, first_id_at(month.stop), chunk


def _check_reversed(root: Path, own: Side, months: list[Month], first: str, until: str, facts: dict[Key, Fact]) -> None:
    """Check that archived reversals of charges with ids in [first, until) are of charges that succeeded, and take no more than those."""
    taken: dict[str, int] = {}

    def wanted(batch: Any) -> Any:
        return pc.and_(_succeeded(batch), between(batch["charge_id"], first, until))

    for path in (root / str(month) / schema / REVERSALS for month in months for schema in own.schemas):
        for charge_id, vendor_id, customer_id, amount, _ in scan_rows(path, _REVERSED_COLUMNS, wanted):
            charge = facts.get((CHARGE, charge_id))
            if charge is None or (charge.vendor_id, charge.customer_id) != (vendor_id, customer_id):
                raise BadArchive(f"{path}: a reversal is of charge {charge_id}, which did not succeed or is another vendor's or customer's")
            taken[charge_id] = taken.get(charge_id, 0) + amount
            if taken[charge_id] > charge.amount:
                raise BadArchive(f"{path}: {taken[charge_id]} of charge {charge_id} was reversed, which was of {charge.amount}")


def _named(key: Key) -> str:
    return f"{EntryKind(key[0]).name.lower()} {key[1]}"
