"""Prove a month's files: as they were written, in number and sum what the manifest says, and every ledger whole from end to end."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from services.vendor_credit.archive.files import ENTRIES, FORMAT, LEDGERS, Ledger, Manifest, read_entries, read_ledgers
from services.vendor_credit.domain.ledger import ChainCheck, Checkpoint, Entry
from shared.archive import meetings
from shared.archive.errors import BadArchive
from shared.archive.folders import archived_months
from shared.archive.months import Month
from shared.documents.chain import GENESIS_HASH


def verify_month(folder: Path, month: Month, schema: str) -> Manifest:
    """Check a month's files against its manifest and each ledger entry by entry, and return the manifest. Raises BadArchive."""
    manifest = Manifest.read(folder, FORMAT)
    manifest.check(folder, month, schema, entries=manifest.entries_sha256, ledgers=manifest.ledgers_sha256)
    vendors = entries = amounts = balances = 0
    upcoming = chain(read_entries(folder), [None])
    entry = next(upcoming)
    for ledger in read_ledgers(folder):
        check = ChainCheck(Checkpoint(ledger.vendor_id, ledger.opening_seq, ledger.opening_balance, ledger.opening_hash, month.start))
        while entry is not None and entry.vendor_id == ledger.vendor_id:
            if entry.created_at >= month.stop:
                raise BadArchive(f"{folder / ENTRIES}: vendor {entry.vendor_id} entry {entry.seq} is not of this month")
            check.add(entry)
            entries, amounts = entries + 1, amounts + entry.amount
            entry = next(upcoming)
        _compare_end(folder, check, ledger)
        vendors, balances = vendors + 1, balances + ledger.closing_balance
    if entry is not None:
        raise BadArchive(f"{folder / ENTRIES}: vendor {entry.vendor_id} has entries and no ledger")
    told = (manifest.vendors, manifest.entries, manifest.amount_total, manifest.closing_balance_total)
    if told != (vendors, entries, amounts, balances):
        raise BadArchive(f"{folder}: vendors, entries, amounts and balances are {vendors, entries, amounts, balances}, told were {told}")
    return manifest


def _compare_end(folder: Path, check: ChainCheck, ledger: Ledger) -> None:
    if check.finding is not None:
        raise BadArchive(f"{folder / ENTRIES}: {check.finding}")
    end = check.checkpoint
    if (end.seq, end.balance, end.hash) != (ledger.closing_seq, ledger.closing_balance, ledger.closing_hash):
        raise BadArchive(f"{folder / LEDGERS}: vendor {ledger.vendor_id} ends at {ledger.closing_seq}, its entries at {end.seq}")


def verify_meeting(before: Path, after: Path) -> None:
    """Check that every ledger goes on in the next month where it ended in this one. Raises BadArchive."""
    ends = ((each.vendor_id, (each.closing_seq, each.closing_balance, each.closing_hash)) for each in read_ledgers(before))
    beginnings = ((each.vendor_id, (each.opening_seq, each.opening_balance, each.opening_hash)) for each in read_ledgers(after))
    meetings.verify_meeting(ends, beginnings, (0, 0, GENESIS_HASH), "vendor", after)


def verify_archive(root: Path, schema: str) -> Iterator[Manifest]:
    """Check every month of an archive, and that neighbouring months meet; yield each month's manifest. Raises BadArchive."""
    months = archived_months(root, schema)
    for month in months:
        yield verify_month(root / str(month) / schema, month, schema)
        if month.next() in months:
            verify_meeting(root / str(month) / schema, root / str(month.next()) / schema)


def entries_of(folder: Path, vendor_id: int) -> Iterator[Entry]:
    """Yield one vendor's entries of a month, each chained to the one before. Raises BadArchive at the first that is not."""
    for ledger in read_ledgers(folder, vendor_id):
        start = Checkpoint(
            vendor_id, ledger.opening_seq, ledger.opening_balance, ledger.opening_hash, Month.parse(folder.parent.name).start
        )
        check = ChainCheck(start)
        for entry in read_entries(folder, vendor_id):
            check.add(entry)
            if check.finding is not None:
                break
            yield entry
        _compare_end(folder, check, ledger)
