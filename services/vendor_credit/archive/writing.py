"""Archive one month: close it for every vendor, copy the ledgers to files, and prove the files before they count."""

from datetime import datetime
from pathlib import Path

from services.vendor_credit.archive.files import (
    ENTRIES,
    ENTRY_COLUMNS,
    FORMAT,
    LEDGER_COLUMNS,
    LEDGERS,
    Ledger,
    Manifest,
)
from services.vendor_credit.archive.verifying import verify_meeting, verify_month
from services.vendor_credit.operations.read_statement import read_statement
from services.vendor_credit.storage import accounts, archived
from shared.archive.errors import BadArchive, NotYet
from shared.archive.folders import draft_of
from shared.archive.months import Month
from shared.archive.tables import TableWriter, sha256_of
from shared.cells import Cells
from shared.database import Database

PAGE = 5_000
"""Entries read at a time."""


async def archive_month(database: Database, root: Path, month: Month, *, schema: str, now: datetime) -> Manifest:
    """Write a month of every vendor's ledger to `root`/month/schema and return its manifest; an archived month is only verified.

    Nothing is removed from the database. The files get their name when they have been read back, found whole, and found equal in number
    and sum to what the database says of the month when it is asked once more. Raises NotYet, BadArchive.
    """
    if not month.archivable(now):
        raise NotYet(f"{month} is not over, or not for an hour yet")
    folder = root / str(month) / schema
    if folder.exists():
        return verify_month(folder, month, schema)
    with draft_of(folder) as draft:
        await _write(database, draft, month, schema=schema, now=now)
        manifest = verify_month(draft, month, schema)
        await _compare(database, draft, month, manifest)
        if (following := root / str(month.next()) / schema).exists():
            verify_meeting(draft, following)
    return manifest


async def _write(database: Database, draft: Path, month: Month, *, schema: str, now: datetime) -> None:
    async with database.reading() as connection:
        heads = await accounts.read_heads(connection)
    entries = amounts = balances = 0
    cell = Cells([database])
    with TableWriter(draft / ENTRIES, ENTRY_COLUMNS) as entry_file, TableWriter(draft / LEDGERS, LEDGER_COLUMNS) as ledger_file:
        for head in heads:
            after_seq = 0
            while True:
                # Closes the period first, for good: no entry is dated into the month from then on.
                statement, page = await read_statement(
                    cell, head.vendor_id, start=month.start, stop=month.stop, after_seq=after_seq, limit=PAGE, now=now
                )
                entry_file.add(page)
                entries, amounts = entries + len(page), amounts + sum(entry.amount for entry in page)
                if len(page) < PAGE:
                    break
                after_seq = page[-1].seq
            opening, closing = statement.opening, statement.closing
            ends = (opening.seq, opening.balance, opening.hash, closing.seq, closing.balance, closing.hash)
            ledger_file.add([Ledger(head.vendor_id, *ends)])
            balances += closing.balance
    Manifest(
        format=FORMAT,
        schema=schema,
        month=str(month),
        vendors=len(heads),
        entries=entries,
        amount_total=amounts,
        closing_balance_total=balances,
        entries_sha256=sha256_of(draft / ENTRIES),
        ledgers_sha256=sha256_of(draft / LEDGERS),
    ).write(draft)


async def _compare(database: Database, draft: Path, month: Month, manifest: Manifest) -> None:
    async with database.reading() as connection:
        entries, amounts = await archived.count_entries(connection, start=month.start, stop=month.stop)
    if (entries, amounts) != (manifest.entries, manifest.amount_total):
        raise BadArchive(
            f"{draft}: {manifest.entries} entries of {manifest.amount_total} were written, the database has {entries} of {amounts}"
        )
