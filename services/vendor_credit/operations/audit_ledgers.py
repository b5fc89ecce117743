"""Facts of the vendor ledger for the audit: self-checks, totals, and the debits to match."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter

from services.vendor_credit.domain.debits import Debit, Decision
from services.vendor_credit.operations.check_ledgers import check_ledgers
from services.vendor_credit.storage import decisions, entry_causes, reversal_credits, totals
from services.vendor_credit.storage.totals import Totals
from shared.cells import Cells, merged
from shared.database import Connection, Database

MAX_FINDINGS = 100
MAX_BROKEN = 10_000
"""Most findings that name a vendor: about a megabyte on the wire."""

LAST_CHARGE_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What the vendor ledgers say; amounts in minor units. `broken`: vendors that findings concern, each with the sentence."""

    vendors: int
    balance_total: int
    totals: Totals
    findings: list[str]
    broken: list[tuple[int, str]]


async def verify_ledgers(cells: Cells) -> LedgerReport:
    """Check every vendor's ledger, each cell in one snapshot: sum, seq, balance_after, hash chain, decisions and confirmed requests."""
    reports = await cells.gather(_verify_cell)
    return LedgerReport(
        vendors=sum(report.vendors for report in reports),
        balance_total=sum(report.balance_total for report in reports),
        totals=Totals(*(sum(getattr(report.totals, each.name) for report in reports) for each in fields(Totals))),
        findings=[finding for report in reports for finding in report.findings][:MAX_FINDINGS],
        broken=[each for report in reports for each in report.broken][:MAX_BROKEN],
    )


async def _verify_cell(database: Database) -> LedgerReport:
    async with database.reading() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        sums = await totals.read_totals(connection)
        broken = await _cross_findings(connection)
        check = await check_ledgers(connection)
    broken += check.broken.items()
    findings = [sentence for _, sentence in broken] + _total_findings(sums)
    return LedgerReport(len(check.heads), sum(head.balance for head in check.heads), sums, findings[:MAX_FINDINGS], broken[:MAX_BROKEN])


async def _cross_findings(connection: Connection) -> list[tuple[int, str]]:
    found = [
        (vendor_id, f"credit request {request_id}: its state and its entry disagree")
        for request_id, vendor_id in await totals.misconfirmed_requests(connection)
    ]
    found += [
        (vendor_id, f"charge {charge_id}: its decision and its entry disagree")
        for charge_id, vendor_id in await totals.misdecided_charges(connection)
    ]
    found += [
        (vendor_id, f"reversal {reversal_id}: its credit and its entry disagree")
        for reversal_id, vendor_id in await reversal_credits.misposted_credits(connection)
    ]
    return found


def _total_findings(sums: Totals) -> list[str]:
    found = []
    if sums.debited_total != sums.decided_debit_total:
        found.append(f"debits of {sums.debited_total} were posted and {sums.decided_debit_total} were decided")
    if sums.reversed_total != sums.credited_reversal_total:
        found.append(f"reversals of {sums.reversed_total} were posted and {sums.credited_reversal_total} were credited")
    return found


@dataclass(frozen=True, slots=True)
class DebitsPage:
    """Debited charges in order of id, and which of them no entry took from their vendor: an alarm."""

    debits: list[Debit]
    unposted: list[str]


async def list_debits(cells: Cells, *, after: str, limit: int, until: str = LAST_CHARGE_ID) -> DebitsPage:
    """Return up to `limit` debited charges with ids in (after, until]; one debited in two cells, an alarm, is there twice."""
    pages = await cells.gather(lambda database: _list_debits_of_cell(database, after=after, limit=limit, until=until))
    if len(pages) == 1:
        return pages[0]
    found = merged([page.debits for page in pages], key=attrgetter("charge_id"), limit=sum(len(page.debits) for page in pages))
    # A page ends between two charges: the next one begins after the last one's id, and would miss the second debit of the same charge.
    debits = found[:limit] + [debit for debit in found[limit:] if debit.charge_id == found[limit - 1].charge_id]
    last = debits[-1].charge_id if len(debits) >= limit else until
    return DebitsPage(debits, sorted(charge_id for page in pages for charge_id in page.unposted if charge_id <= last))


async def _list_debits_of_cell(database: Database, *, after: str, limit: int, until: str) -> DebitsPage:
    async with database.reading() as connection:
        debits = await decisions.list_debits(connection, after=after, until=until, limit=limit)
        last = debits[-1].charge_id if len(debits) == limit else until
        unposted = await entry_causes.unposted_debits(connection, after=after, until=last) if debits else set()
    return DebitsPage(debits, sorted(unposted))


async def get_decisions(cells: Cells, charge_ids: Sequence[str]) -> list[Decision]:
    """Return the decisions that exist for the charges, in order of charge id; one made in two cells, an alarm, is there twice."""

    async def read(database: Database) -> list[Decision]:
        async with database.reading() as connection:
            return await decisions.get_decisions(connection, charge_ids)

    found = await cells.gather(read)
    return merged(found, key=attrgetter("charge_id"), limit=sum(map(len, found)))
