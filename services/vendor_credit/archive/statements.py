"""Statements from archived months alone, without a database."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from services.vendor_credit.archive.files import in_period, read_ledgers
from services.vendor_credit.archive.verifying import entries_of
from services.vendor_credit.domain.ledger import Entry
from services.vendor_credit.domain.statements import BEGINNING, Balance, Statement, check_period
from shared.archive.errors import BadArchive
from shared.archive.folders import archived_months, archived_schemas
from shared.archive.months import Month
from shared.errors import NotFound


def archived_statement(
    root: Path, schema: str, vendor_id: int, *, start: datetime, stop: datetime, now: datetime
) -> tuple[Statement, Iterator[Entry]]:
    """Return the statement of [start, stop), equal to the one that the ledger itself gives, and its entries, oldest first.

    Entries are read twice, a few thousand in memory at a time, and checked against the chain both times. Raises InvalidArgument, NotFound,
    and BadArchive where a month is missing or not whole.
    """
    check_period(start, stop, now)
    folders = _folders(root, schema, start, stop)
    if not any(True for folder in folders for _ in read_ledgers(folder, vendor_id)):
        raise NotFound.of("vendor", vendor_id, "vendor_id")
    first = next(read_ledgers(folders[0], vendor_id), None)
    opening = BEGINNING if first is None else Balance(first.opening_seq, first.opening_balance, first.opening_hash)
    closing, seq = opening, opening.seq
    for entry in _entries(folders, vendor_id):
        if entry.seq != seq + 1:
            raise BadArchive(f"vendor {vendor_id}: the archive goes from entry {seq} to {entry.seq}")
        seq = entry.seq
        if entry.created_at < stop:
            closing = Balance(entry.seq, entry.balance_after, entry.hash)
        if entry.created_at < start:
            opening = closing
    period = (entry for entry in _entries(folders, vendor_id) if in_period(entry, start, stop))
    return Statement(vendor_id, start, stop, opening, closing, now), period


def schema_of_vendor(root: Path, service: str, vendor_id: int) -> str:
    """Return the schema that holds a vendor's archived ledger, by its last month; the service's own name when none does."""
    for schema in archived_schemas(root, service):
        months = archived_months(root, schema)
        if any(True for _ in read_ledgers(root / str(months[-1]) / schema, vendor_id)):
            return schema
    return service


def _folders(root: Path, schema: str, start: datetime, stop: datetime) -> list[Path]:
    """Return the folders of all months that the period touches."""
    there, month, folders = archived_months(root, schema), Month.of(start), []
    while month <= Month.of(stop - timedelta(microseconds=1)):
        if month not in there:
            raise BadArchive(f"{root}: {schema} of {month} is not archived")
        folders.append(root / str(month) / schema)
        month = month.next()
    return folders


def _entries(folders: list[Path], vendor_id: int) -> Iterator[Entry]:
    for folder in folders:
        yield from entries_of(folder, vendor_id)
