"""Prove a month's files: as they were written, in number and sum what the manifest says, and every ledger whole from end to end."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from services.vendor_credit.archive.files import ENTRIES, LEDGERS, BadArchive, Ledger, Manifest, read_entries, read_ledgers, sha256_of
from services.vendor_credit.archive.months import Month
from services.vendor_credit.domain.ledger import ChainCheck, Checkpoint, Entry


def verify_month(folder: Path, month: Month, schema: str) -> Manifest:
    """Check a month's files against its manifest and each ledger entry by entry, and return the manifest. Raises BadArchive."""
    manifest = Manifest.read(folder)
    if (manifest.month, manifest.schema) != (str(month), schema):
        raise BadArchive(f"{folder} holds {manifest.schema} of {manifest.month}")
    for name, digest in ((ENTRIES, manifest.entries_sha256), (LEDGERS, manifest.ledgers_sha256)):
        if sha256_of(folder / name) != digest:
            raise BadArchive(f"{folder / name} was changed: its SHA-256 is not that of the manifest")
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
    following = {ledger.vendor_id: ledger for ledger in read_ledgers(after)}
    for ledger in read_ledgers(before):
        opened = following.get(ledger.vendor_id)
        if opened is None:
            raise BadArchive(f"{after}: the ledger of vendor {ledger.vendor_id} is missing")
        closing = (ledger.closing_seq, ledger.closing_balance, ledger.closing_hash)
        if (opened.opening_seq, opened.opening_balance, opened.opening_hash) != closing:
            raise BadArchive(f"{after}: the ledger of vendor {ledger.vendor_id} does not go on where {before} ends")


def archived_months(root: Path, schema: str) -> list[Month]:
    """Return the months that an archive holds of a schema, oldest first."""
    return sorted(Month.parse(path.parent.name) for path in root.glob(f"[0-9][0-9][0-9][0-9]-[0-9][0-9]/{schema}"))


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
