"""Facts of the vendor ledger for the audit: self-checks, totals, and the debits to match."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.vendor_credit.domain.debits import Debit, Decision
from services.vendor_credit.domain.ledger import ChainCheck
from services.vendor_credit.storage import accounts, decisions, reversal_credits, totals
from services.vendor_credit.storage.totals import Totals
from shared.database import Connection, Database

MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What the vendor ledgers say; amounts in minor units."""

    vendors: int
    balance_total: int
    totals: Totals
    findings: list[str]


async def verify_ledgers(database: Database) -> LedgerReport:
    """Check every vendor's ledger in one snapshot: sum, seq, balance_after, hash chain, decisions and confirmed requests."""
    async with database.reading() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        heads = await accounts.read_heads(connection)
        sums = await totals.read_totals(connection)
        findings = await _cross_findings(connection, sums)
        for head in heads:
            check = ChainCheck(head.vendor_id)
            async for entry in accounts.stream_entries(connection, head.vendor_id):
                check.add(entry)
            check.finish(head)
            findings += [check.finding] if check.finding else []
    return LedgerReport(len(heads), sum(head.balance for head in heads), sums, findings[:MAX_FINDINGS])


async def _cross_findings(connection: Connection, sums: Totals) -> list[str]:
    found = [
        f"credit request {request_id}: its state and its entry disagree" for request_id in await totals.misconfirmed_requests(connection)
    ]
    found += [f"charge {charge_id}: its decision and its entry disagree" for charge_id in await totals.misdecided_charges(connection)]
    found += [
        f"reversal {reversal_id}: its credit and its entry disagree" for reversal_id in await reversal_credits.misposted_credits(connection)
    ]
    if sums.debited_total != sums.decided_debit_total:
        found.append(f"debits of {sums.debited_total} were posted and {sums.decided_debit_total} were decided")
    if sums.reversed_total != sums.credited_reversal_total:
        found.append(f"reversals of {sums.reversed_total} were posted and {sums.credited_reversal_total} were credited")
    return found


async def list_debits(database: Database, *, after: str, limit: int) -> list[Debit]:
    """Return up to `limit` debited charges in order of charge id, above `after`."""
    async with database.reading() as connection:
        return await decisions.list_debits(connection, after=after, limit=limit)


async def get_decisions(database: Database, charge_ids: Sequence[str]) -> list[Decision]:
    """Return the decisions that exist for the charges, in order of charge id."""
    async with database.reading() as connection:
        return await decisions.get_decisions(connection, charge_ids)
