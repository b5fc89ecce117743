"""Check all reversals of both services against themselves and against each other, as `check_books` does for charges."""

from dataclasses import dataclass, field

from services.customer_charge.domain.charge_ids import FIRST_ID, LAST_ID
from services.customer_charge.domain.findings import Finding
from services.customer_charge.domain.reversal_matching import ReversalMismatch
from services.customer_charge.operations.match_reversals import ReversalBooks, match_reversals_page
from services.customer_charge.storage import reversal_audit
from services.customer_charge.storage.reversal_audit import ReversalBacklog
from shared.cells import Cells
from shared.database import Database


@dataclass(slots=True)
class ReversalReport:
    """What was found; amounts in minor units. `under_way_total` is taken from customers and not yet credited to vendors.

    `broken` is what is wrong within this service, `mismatches` what it and the vendor ledger disagree about.
    """

    pending: int = 0
    under_way_total: int = 0
    drift: int = 0
    set_aside: int = 0
    mismatches: list[ReversalMismatch] = field(default_factory=list)
    broken: list[Finding] = field(default_factory=list)


async def check_reversals(cells: Cells, vendor_books: ReversalBooks) -> ReversalReport:
    """Check all reversals. Raises Unavailable when a side is out of reach."""
    report = ReversalReport()
    await _check_own_side(cells, report)
    after = FIRST_ID
    while after != LAST_ID:
        matched = await match_reversals_page(cells, vendor_books, after=after, until=LAST_ID)
        report.under_way_total += matched.under_way_total
        report.drift += sum(mismatch.amount for mismatch in matched.mismatches)
        report.mismatches += matched.mismatches
        after = matched.until
    return report


async def _check_own_side(cells: Cells, report: ReversalReport) -> None:
    async def read(database: Database) -> tuple[ReversalBacklog, list[Finding]]:
        async with database.reading() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            backlog = await reversal_audit.read_backlog(connection)
            return backlog, await reversal_audit.self_findings(connection, sole=len(cells) == 1)

    for backlog, findings in await cells.gather(read):
        report.broken += findings
        report.pending += backlog.pending
        report.set_aside += backlog.blocked
