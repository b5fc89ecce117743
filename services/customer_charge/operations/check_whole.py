"""Check everything in the books of both services, and stop the accounts that are broken: what the check of each minute does not read again.

That one goes on from its checkpoints. Behind them lie old entries, charges, keys and decisions, and the charges and reversals that were set
aside while the checkpoint passed them, and that went on when a person had looked.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from services.customer_charge.domain.findings import Finding
from services.customer_charge.operations.check_books import Books, VendorBooks, accounts, check_books, mismatch_findings
from services.customer_charge.operations.check_new_charges import StopVendors
from services.customer_charge.operations.stop_customers import stop_customers
from services.customer_charge.storage import books_check, reversals_check, whole_check
from shared.cells import Cells
from shared.database import Connection

TIMEOUT_SECONDS = 3_600.0
"""Every entry is read: an hour is enough for some hundred million."""


async def check_whole(cells: Cells, vendor_books: VendorBooks, stop_vendors: StopVendors, *, actor: str) -> Books:
    """Check everything, stop the accounts concerned, remember what was found, and return the books.

    Raises Unavailable where a side or a cell is out of reach: then nothing is remembered, and the next look tries again.

    What the services disagree about is remembered by charge and reversal, and looked at again each minute until it agrees. Everything else
    is shown until a check of everything no longer finds it. For what was remembered before nobody is stopped again: a person has been
    called already, and may have released the account.
    """
    books = await check_books(cells, vendor_books, timeout_seconds=TIMEOUT_SECONDS)
    known = await _known(cells)
    vendors, customers = accounts([found for found in (*books.broken, *mismatch_findings(books)) if found.sentence not in known])
    # First, as in the check of each minute: whoever dies here finds it anew.
    await stop_customers(cells, customers, actor=actor)
    await stop_vendors(vendors)

    async def work(connection: Connection) -> None:
        await books_check.write_mismatches(connection, books.mismatches, [], books.checked_at)
        await reversals_check.write_mismatches(connection, books.reversal_mismatches, [], books.checked_at)
        await whole_check.finish_whole_check(connection, now=books.checked_at, findings=_sentences(books.broken))

    await cells.first.transact(work)
    return books


async def is_due(cells: Cells, *, hours: float, now: datetime) -> bool:
    """Tell whether the last check of everything ended `hours` ago or earlier, or never."""
    async with cells.first.reading() as connection:
        checked_at = (await whole_check.read_whole_check(connection)).checked_at
    return checked_at is None or checked_at <= now - timedelta(hours=hours)


async def _known(cells: Cells) -> set[str]:
    """Return what was found before: by the last check of everything, and what the services disagree about."""
    async with cells.first.reading() as connection:
        known = set((await whole_check.read_whole_check(connection)).findings)
        known |= {mismatch.finding for mismatch in await books_check.read_mismatches(connection)}
        known |= {mismatch.finding for mismatch in await reversals_check.read_mismatches(connection)}
    return known


def _sentences(findings: Iterable[Finding]) -> list[str]:
    return list(dict.fromkeys(found.sentence for found in findings))
