"""Prove a month's files: as they were written, in number and sum what the manifest says, every charge final, every ledger without a gap."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from services.customer_charge.archive.files import (
    CHARGES,
    ENTRIES,
    FORMAT,
    LEDGERS,
    REVERSALS,
    Manifest,
    read_charges,
    read_entries,
    read_ledgers,
    read_reversals,
)
from services.customer_charge.domain.archived import ArchivedCharge, ArchivedReversal, Counted, Cut
from services.customer_charge.domain.charge_ids import first_id_at
from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.domain.ledger import Entry
from services.customer_charge.domain.reversals import ReversalState
from shared.archive import meetings
from shared.archive.errors import BadArchive
from shared.archive.folders import archived_months
from shared.archive.months import Month

FINAL = {int(ChargeState.SUCCEEDED), int(ChargeState.FAILED)}
"""The same numbers for reversals."""


def verify_month(folder: Path, month: Month, schema: str) -> Manifest:
    """Check a month's files against its manifest and in themselves, and return the manifest. Raises BadArchive."""
    manifest = Manifest.read(folder, FORMAT)
    manifest.check(
        folder,
        month,
        schema,
        charges=manifest.charges_sha256,
        reversals=manifest.reversals_sha256,
        entries=manifest.entries_sha256,
        ledgers=manifest.ledgers_sha256,
    )
    charges = _count(folder / CHARGES, read_charges(folder), month)
    reversals = _count(folder / REVERSALS, read_reversals(folder), month)
    found = (*charges, *reversals, *_verify_ledgers(folder, month))
    told = (
        *(manifest.charges, manifest.charges_succeeded, manifest.charged_total),
        *(manifest.reversals, manifest.reversals_succeeded, manifest.reversed_total),
        *(manifest.customers, manifest.entries, manifest.amount_total, manifest.closing_balance_total),
    )
    if found != told:
        raise BadArchive(f"{folder}: numbers and sums are {found}, told were {told}")
    return manifest


def _count(path: Path, rows: Iterable[ArchivedCharge] | Iterable[ArchivedReversal], month: Month) -> Counted:
    """Check that all are final and of this month, each once, and count them."""
    before, until = "", first_id_at(month.stop)
    number = succeeded = total = 0
    first = first_id_at(month.start)
    for row in rows:
        if not first <= row.id < until or row.id <= before:
            raise BadArchive(f"{path}: {row.id} is not of this month, or not in its place")
        if row.state not in FINAL or (row.state == ReversalState.FAILED) != (row.failure_reason is not None) or row.amount <= 0:
            raise BadArchive(f"{path}: {row.id} is not final")
        before, number = row.id, number + 1
        if row.state == ReversalState.SUCCEEDED:
            succeeded, total = succeeded + 1, total + row.amount
    return Counted(number, succeeded, total)


def _verify_ledgers(folder: Path, month: Month) -> tuple[int, int, int, int]:
    """Check every ledger entry by entry; return the number of customers and entries, and the sums of amounts and closing balances."""
    customers = entries = amounts = balances = 0
    upcoming: Iterator[Entry | None] = chain(read_entries(folder), [None])
    entry = next(upcoming)
    before = 0
    for ledger in read_ledgers(folder):
        if ledger.customer_id <= before:
            raise BadArchive(f"{folder / LEDGERS}: customer {ledger.customer_id} is not in its place")
        if entry is not None and entry.customer_id < ledger.customer_id:
            break
        of_customer, before = LedgerCheck(folder, ledger, month), ledger.customer_id
        while entry is not None and entry.customer_id == ledger.customer_id:
            of_customer.add(entry)
            entries, amounts = entries + 1, amounts + entry.amount
            entry = next(upcoming)
        of_customer.finish()
        customers, balances = customers + 1, balances + ledger.closing_balance
    if entry is not None:
        raise BadArchive(f"{folder / ENTRIES}: customer {entry.customer_id} has entries and no ledger, or is not in its place")
    return customers, entries, amounts, balances


class LedgerCheck:
    """Checks one customer's entries of a month, from the opening to the closing. Raises BadArchive at the first that is wrong."""

    def __init__(self, folder: Path, ledger: Cut, month: Month) -> None:
        self._folder, self._ledger, self._stop = folder, ledger, month.stop
        self._seq, self._balance = ledger.opening_seq, ledger.opening_balance
        self._last: Entry | None = None

    def add(self, entry: Entry) -> None:
        """Check the next entry."""
        self._seq, self._balance = self._seq + 1, self._balance + entry.amount
        if entry.seq != self._seq:
            self._fail(f"entry {self._seq} was expected and {entry.seq} came")
        if entry.balance_after != self._balance or self._balance < 0:
            self._fail(f"entry {entry.seq} leaves {entry.balance_after}, and the amounts {self._balance}")
        self._last = entry

    def finish(self) -> None:
        """Compare with the end. The last entry is dated before the month's end; others may not be, where two clocks differed."""
        if (self._seq, self._balance) != (self._ledger.closing_seq, self._ledger.closing_balance):
            self._fail(f"its entries end at {self._seq}, the ledger at {self._ledger.closing_seq}")
        if self._last is not None and self._last.created_at >= self._stop:
            self._fail(f"entry {self._last.seq} is not of this month")

    def _fail(self, what: str) -> None:
        raise BadArchive(f"{self._folder / ENTRIES}: customer {self._ledger.customer_id}: {what}")


def verify_meeting(before: Path, after: Path) -> None:
    """Check that every ledger goes on in the next month where it ended in this one. Raises BadArchive."""
    ends = ((each.customer_id, (each.closing_seq, each.closing_balance)) for each in read_ledgers(before))
    beginnings = ((each.customer_id, (each.opening_seq, each.opening_balance)) for each in read_ledgers(after))
    meetings.verify_meeting(ends, beginnings, (0, 0), "customer", after / LEDGERS)


def verify_archive(root: Path, schema: str) -> Iterator[Manifest]:
    """Check every month of an archive in itself, and that neighbouring months meet; yield each month's manifest. Raises BadArchive."""
    months = archived_months(root, schema)
    for month in months:
        yield verify_month(root / str(month) / schema, month, schema)
        if month.next() in months:
            verify_meeting(root / str(month) / schema, root / str(month.next()) / schema)


def entries_of(folder: Path, ledger: Cut, month: Month) -> Iterator[Entry]:
    """Yield one customer's entries of a month, each checked against the one before. Raises BadArchive."""
    of_customer = LedgerCheck(folder, ledger, month)
    for entry in read_entries(folder, ledger.customer_id):
        of_customer.add(entry)
        yield entry
    of_customer.finish()
