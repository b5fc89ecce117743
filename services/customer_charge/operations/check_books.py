"""Check the books of both services against themselves and against each other.

Exact, and without false alarms while charges run: facts are matched charge by charge, and only facts that never go away are compared.
The effect's side is read first and the cause's side after it, so a cause can never be missing merely because it was read too early.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from charging.vendor_credit.v1 import vendor_credit_pb2

from services.customer_charge.domain.charge_ids import FIRST_ID, LAST_ID
from services.customer_charge.domain.findings import Finding
from services.customer_charge.domain.matching import Mismatch, Side
from services.customer_charge.domain.reversal_matching import ReversalMismatch
from services.customer_charge.operations.check_reversals import check_reversals
from services.customer_charge.operations.match_between_cells import match_between_cells
from services.customer_charge.operations.match_charges import DecidedCharges, match_page
from services.customer_charge.operations.match_reversals import ReversalBooks
from services.customer_charge.storage import audit, pending_charges
from services.customer_charge.storage.audit import Totals
from services.customer_charge.storage.pending_charges import Backlog
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Database

MAX_FINDINGS = 100


class VendorBooks(DecidedCharges, Protocol):
    """The vendor ledger's audit facts."""

    @property
    def reversals(self) -> ReversalBooks:
        """Return the facts about reversals."""
        ...

    async def verify_ledgers(self, timeout_seconds: float) -> vendor_credit_pb2.VerifyVendorLedgersResponse:
        """Check every vendor's ledger."""
        ...


@dataclass(slots=True)
class Books:
    """Totals in minor units, and what is wrong, one sentence each: the first hundred of `findings`.

    `mismatches` are the charges and reversals that the services disagree about. `broken` is every rule that is broken otherwise: without
    what waits for a person, which is no broken rule.
    """

    confirmed_credit_total: int = 0
    vendor_balance_total: int = 0
    customer_balance_total: int = 0
    under_way_total: int = 0
    drift: int = 0
    charges: int = 0
    pending_charges: int = 0
    oldest_pending_ms: int = 0
    pending_reversals: int = 0
    findings: list[str] = field(default_factory=list)
    broken: list[Finding] = field(default_factory=list)
    mismatches: list[Mismatch] = field(default_factory=list)
    reversal_mismatches: list[ReversalMismatch] = field(default_factory=list)
    checked_at: datetime = field(default_factory=utc_now)


async def check_books(cells: Cells, vendor_books: VendorBooks, *, timeout_seconds: float) -> Books:
    """Check everything and return the books. Raises Unavailable when a side is out of reach."""
    books = Books()
    await _check_own_side(cells, books)
    await _match_charges(cells, vendor_books, books)
    reversals = await check_reversals(cells, vendor_books.reversals)
    books.under_way_total += reversals.under_way_total
    books.pending_reversals = reversals.pending
    books.drift += reversals.drift
    books.broken += reversals.broken
    books.reversal_mismatches = reversals.mismatches
    if reversals.set_aside:
        books.findings.append(f"{reversals.set_aside} pending reversals are set aside until a person has looked")
    if len(cells) > 1:
        books.broken += await match_between_cells(cells)
    vendor_side = await vendor_books.verify_ledgers(timeout_seconds)
    books.confirmed_credit_total = vendor_side.confirmed_credit_total
    books.vendor_balance_total = vendor_side.balance_total
    books.broken += _vendor_findings(vendor_side)
    if vendor_side.balance_total != vendor_side.confirmed_credit_total - vendor_side.debited_total + vendor_side.reversed_total:
        books.broken.append(Finding("vendor balances are not confirmed credit less debits, plus what was reversed"))
    _sum_up(books)
    books.checked_at = utc_now()
    return books


async def _check_own_side(cells: Cells, books: Books) -> None:
    """Check each cell against itself, in one snapshot, and add up what they hold."""

    async def read(database: Database) -> tuple[Totals, Backlog, list[Finding]]:
        async with database.reading() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            totals, backlog = await audit.read_totals(connection), await pending_charges.read_backlog(connection)
            return totals, backlog, await audit.self_findings(connection, sole=len(cells) == 1)

    for totals, backlog, findings in await cells.gather(read):
        books.broken += findings
        books.charges += totals.charges
        books.customer_balance_total += totals.customer_balance_total
        books.pending_charges += backlog.pending
        if backlog.oldest_at is not None:
            books.oldest_pending_ms = max(books.oldest_pending_ms, int((utc_now() - backlog.oldest_at).total_seconds() * 1000))
        if backlog.blocked:
            books.findings.append(f"{backlog.blocked} pending charges are set aside until a person has looked")
        if totals.entry_total != totals.customer_balance_total:
            books.broken.append(Finding(f"customer entries sum to {totals.entry_total}, balances to {totals.customer_balance_total}"))


async def _match_charges(cells: Cells, vendor_books: VendorBooks, books: Books) -> None:
    """Every charge agrees with what was decided about it, and every debit belongs to a charge that succeeded or is under way."""
    after = FIRST_ID
    while after != LAST_ID:
        matched = await match_page(cells, vendor_books, after=after, until=LAST_ID)
        books.under_way_total += matched.under_way_total
        books.drift += sum(mismatch.amount for mismatch in matched.mismatches)
        books.mismatches += matched.mismatches
        after = matched.until


def _vendor_findings(vendor_side: vendor_credit_pb2.VerifyVendorLedgersResponse) -> Iterator[Finding]:
    told = {broken.finding for broken in vendor_side.broken_vendors}
    for broken in vendor_side.broken_vendors:
        yield Finding(broken.finding, vendor_id=broken.vendor_id)
    for sentence in vendor_side.findings:
        if sentence not in told:
            yield Finding(sentence)


def _sum_up(books: Books) -> None:
    """Put the findings together. What the services disagree about names the account; what is said of it here besides names no other."""
    apart = {mismatch.charge_id for mismatch in books.mismatches} | {mismatch.reversal_id for mismatch in books.reversal_mismatches}
    books.broken = [replace(found, vendor_id=0, customer_id=0) if found.subject in apart else found for found in books.broken]
    sentences = [found.sentence for found in (*books.broken, *mismatch_findings(books))]
    books.findings = list(dict.fromkeys(books.findings + sentences))[:MAX_FINDINGS]


def mismatch_findings(books: Books) -> list[Finding]:
    """Return what the services disagree about as findings, each with the one account that is stopped for it."""
    apart: list[Mismatch | ReversalMismatch] = [*books.mismatches, *books.reversal_mismatches]
    return [
        Finding(mismatch.finding, vendor_id=mismatch.vendor_id)
        if mismatch.side is Side.VENDOR
        else Finding(mismatch.finding, customer_id=mismatch.customer_id)
        for mismatch in apart
    ]


def accounts(findings: Sequence[Finding]) -> tuple[dict[int, str], dict[int, str]]:
    """Return the vendors and the customers concerned, each with the first sentence about it."""
    vendors: dict[int, str] = {}
    customers: dict[int, str] = {}
    for found in findings:
        if found.vendor_id:
            vendors.setdefault(found.vendor_id, found.sentence)
        if found.customer_id:
            customers.setdefault(found.customer_id, found.sentence)
    return vendors, customers
