"""Archive one month of this service: see that all in it is final, copy it to files, and prove the files before they count."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any

from services.customer_charge.archive.files import (
    CHARGE_COLUMNS,
    CHARGES,
    ENTRIES,
    ENTRY_COLUMNS,
    FORMAT,
    LEDGER_COLUMNS,
    LEDGERS,
    REVERSAL_COLUMNS,
    REVERSALS,
    Manifest,
    read_ledgers,
)
from services.customer_charge.archive.verifying import verify_meeting, verify_month
from services.customer_charge.domain.archived import ArchivedCharge, ArchivedReversal, Counted, Cut
from services.customer_charge.domain.charge_ids import first_id_at, id_before
from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.storage import archived
from shared.archive.errors import BadArchive, NotYet, StillOpen
from shared.archive.folders import draft_of
from shared.archive.months import Month
from shared.archive.tables import TableWriter, sha256_of
from shared.database import Database
from shared.times import rfc3339

Row = ArchivedCharge | ArchivedReversal

PAGE = 5_000
"""Rows read at a time."""

CUSTOMERS = 500
"""Customers whose entries are read within one transaction: it holds back what autovacuum may remove, so it must be short."""


async def archive_month(database: Database, root: Path, month: Month, *, schema: str, now: datetime) -> Manifest:
    """Write a month's charges, reversals and customer entries to `root`/month/schema and return the manifest.

    Charges and reversals are of the month in their ids. A customer's ledger is cut at the month's end, and begins where the month before
    was cut when that is archived. Nothing is removed from the database. The files get their name when they have been read back, found
    whole, and found equal in number and sum to what the database says when it is asked once more; an archived month is only checked so.

    Raises NotYet (StillOpen for charges or reversals that are not final), BadArchive.
    """
    if not month.archivable(now):
        raise NotYet(f"{month} is not over, or not for an hour yet")
    folder = root / str(month) / schema
    if folder.exists():
        manifest = verify_month(folder, month, schema)
        await _compare(database, folder, month, manifest)
        return manifest
    await _refuse_open(database, month)
    previous = root / str(month.previous()) / schema
    with draft_of(folder) as draft:
        await _write(database, draft, month, previous if previous.exists() else None, schema=schema, now=now)
        manifest = verify_month(draft, month, schema)
        await _compare(database, draft, month, manifest)
        if previous.exists():
            verify_meeting(previous, draft)
        if (following := root / str(month.next()) / schema).exists():
            verify_meeting(draft, following)
    return manifest


async def _refuse_open(database: Database, month: Month) -> None:
    """Raise StillOpen when anything made in the month has no final state: then its files would not stay true."""
    first, until = first_id_at(month.start), first_id_at(month.stop)
    async with database.reading() as connection:
        for kind, ask in (("charges", archived.open_charges), ("reversals", archived.open_reversals)):
            ids, count = await ask(connection, first=first, until=until)
            if count:
                raise StillOpen(month, kind, ids, count)


async def _write(database: Database, draft: Path, month: Month, previous: Path | None, *, schema: str, now: datetime) -> None:
    charges = await _write_rows(database, draft / CHARGES, CHARGE_COLUMNS, archived.list_charges, month, "charges")
    reversals = await _write_rows(database, draft / REVERSALS, REVERSAL_COLUMNS, archived.list_reversals, month, "reversals")
    customers, entries, amounts, balances = await _write_ledgers(database, draft, month, previous)
    Manifest(
        format=FORMAT,
        schema=schema,
        month=str(month),
        written_at=rfc3339(now),
        charges=charges.rows,
        charges_succeeded=charges.succeeded,
        charged_total=charges.succeeded_total,
        reversals=reversals.rows,
        reversals_succeeded=reversals.succeeded,
        reversed_total=reversals.succeeded_total,
        customers=customers,
        entries=entries,
        amount_total=amounts,
        closing_balance_total=balances,
        charges_sha256=sha256_of(draft / CHARGES),
        reversals_sha256=sha256_of(draft / REVERSALS),
        entries_sha256=sha256_of(draft / ENTRIES),
        ledgers_sha256=sha256_of(draft / LEDGERS),
    ).write(draft)


async def _write_rows(
    database: Database, path: Path, columns: Any, read: Callable[..., Awaitable[Sequence[Row]]], month: Month, kind: str
) -> Counted:
    """Write what `read` lists of the month, page by page, and count it."""
    counted, after = Counted(0, 0, 0), id_before(first_id_at(month.start))
    with TableWriter(path, columns) as file:
        while True:
            async with database.reading() as connection:
                page = await read(connection, after=after, until=first_id_at(month.stop), limit=PAGE)
            counted = _add(counted, page, month, kind)
            file.add(page)
            if len(page) < PAGE:
                return counted
            after = page[-1].id


def _add(counted: Counted, page: Sequence[Row], month: Month, kind: str) -> Counted:
    """Count a page. Raises StillOpen for what is not final although no work is left for it: the check of the books names that too."""
    waiting = [row.id for row in page if row.state == ChargeState.ACCEPTED]
    if waiting:
        raise StillOpen(month, kind, waiting[: archived.NAMED], len(waiting))
    amounts = [row.amount for row in page if row.state == ChargeState.SUCCEEDED]
    return Counted(counted.rows + len(page), counted.succeeded + len(amounts), counted.succeeded_total + sum(amounts))


async def _write_ledgers(database: Database, draft: Path, month: Month, previous: Path | None) -> tuple[int, int, int, int]:
    """Write entries and ends of ledgers; return the number of customers and entries, and the sums of amounts and closing balances."""
    customers = entries = amounts = balances = 0
    with TableWriter(draft / ENTRIES, ENTRY_COLUMNS) as entry_file, TableWriter(draft / LEDGERS, LEDGER_COLUMNS) as ledger_file:
        async for cuts in _cuts(database, month, None if previous is None else read_ledgers(previous)):
            async with database.reading() as connection, aclosing(archived.read_entries(connection, cuts, page=PAGE)) as pages:
                async for page in pages:
                    entry_file.add(page)
                    entries, amounts = entries + len(page), amounts + sum(entry.amount for entry in page)
            ledger_file.add(cuts)
            customers, balances = customers + len(cuts), balances + sum(cut.closing_balance for cut in cuts)
    return customers, entries, amounts, balances


async def _cuts(database: Database, month: Month, previous: Iterator[Cut] | None) -> AsyncIterator[list[Cut]]:
    """Yield the cuts of all customers who have entries by the month's end, some hundred at a time, in order of id.

    A ledger opens where the month before closed it: an entry that came later, dated into that month by a slow clock, belongs to this one.
    """
    after, known = 0, None if previous is None else next(previous, None)
    while True:
        async with database.reading() as connection:
            page = await archived.list_cuts(connection, after=after, start=month.start, stop=month.stop, limit=CUSTOMERS)
        if not page:
            return
        after, cuts = page[-1].customer_id, []
        for cut in page:
            while previous is not None and known is not None and known.customer_id < cut.customer_id:
                known = next(previous, None)
            opened = cut
            if previous is not None:
                closed = known if known is not None and known.customer_id == cut.customer_id else None
                opened = cut._replace(
                    opening_seq=closed.closing_seq if closed else 0, opening_balance=closed.closing_balance if closed else 0
                )
            if opened.closing_seq:
                cuts.append(opened)
        if cuts:
            yield cuts


async def _compare(database: Database, folder: Path, month: Month, manifest: Manifest) -> None:
    first, until = first_id_at(month.start), first_id_at(month.stop)
    async with database.reading() as connection:
        charges = await archived.count_charges(connection, first=first, until=until)
        reversals = await archived.count_reversals(connection, first=first, until=until)
    written = (
        Counted(manifest.charges, manifest.charges_succeeded, manifest.charged_total),
        Counted(manifest.reversals, manifest.reversals_succeeded, manifest.reversed_total),
    )
    if (charges, reversals) != written:
        raise BadArchive(f"{folder}: charges and reversals are {tuple(map(tuple, written))}, the database has {(*charges,), (*reversals,)}")
