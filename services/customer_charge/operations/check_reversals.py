"""Check the reversals of both services against themselves and against each other, as `check_books` does for charges.

Facts are matched reversal by reversal, the effect's side read first: a vendor's credit before the customer's debit that caused it, a
reversal's success before the vendor's credit that caused that. So running reversals cause no false alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from charging.vendor_credit.v1 import reversal_credit_pb2

from services.customer_charge.domain.reversals import ReversalState
from services.customer_charge.storage import reversal_audit
from services.customer_charge.storage.reversal_audit import DebitedReversal
from shared.database import Database

PAGE = 5_000
"""Reversals matched at a time: a few hundred kilobytes in memory and on the wire."""

FIRST_ID = "00000000-0000-0000-0000-000000000000"


class ReversalBooks(Protocol):
    """The vendor ledger's facts about reversals."""

    async def list_credits(self, after: str, limit: int) -> list[reversal_credit_pb2.ReversalCredit]:
        """Return credits in order of reversal id, above `after`."""
        ...

    async def get_credits(self, reversal_ids: Sequence[str]) -> list[reversal_credit_pb2.ReversalCredit]:
        """Return the credits that exist for the reversals."""
        ...


@dataclass(slots=True)
class ReversalReport:
    """What was found; amounts in minor units. `under_way_total` is taken from customers and not yet credited to vendors."""

    pending: int = 0
    under_way_total: int = 0
    drift: int = 0
    findings: list[str] = field(default_factory=list)


async def check_reversals(database: Database, vendor_books: ReversalBooks) -> ReversalReport:
    """Check all reversals. Raises Unavailable when a side is out of reach."""
    report = ReversalReport()
    await _check_own_side(database, report)
    await _match_credits(database, vendor_books, report)
    await _match_debits(database, vendor_books, report)
    return report


async def _check_own_side(database: Database, report: ReversalReport) -> None:
    async with database.reading() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        backlog = await reversal_audit.read_backlog(connection)
        report.findings += await reversal_audit.self_findings(connection)
    report.pending = backlog.pending
    if backlog.blocked:
        report.findings.append(f"{backlog.blocked} pending reversals are set aside until a person has looked")


async def _match_credits(database: Database, vendor_books: ReversalBooks, report: ReversalReport) -> None:
    """Every vendor's credit has its customer's debit, for the same vendor and amount."""
    after = FIRST_ID
    while True:
        page = await vendor_books.list_credits(after, PAGE)
        if not page:
            return
        async with database.reading() as connection:
            debited = await reversal_audit.get_debited(connection, [credit.reversal_id for credit in page])
        for credit in page:
            if _differs(credit, debited.get(credit.reversal_id)):
                report.drift += credit.amount
                report.findings.append(f"reversal {credit.reversal_id}: the vendor was credited and the customer not debited alike")
        after = page[-1].reversal_id


async def _match_debits(database: Database, vendor_books: ReversalBooks, report: ReversalReport) -> None:
    """Every customer's debit has its vendor's credit, or belongs to a reversal that is under way."""
    after = FIRST_ID
    while True:
        async with database.reading() as connection:
            page = await reversal_audit.list_debited(connection, after=after, limit=PAGE)
        if not page:
            return
        credits_made = {credit.reversal_id: credit for credit in await vendor_books.get_credits([each.id for each in page])}
        for reversal in page:
            credit = credits_made.get(reversal.id)
            if credit is None and reversal.state == ReversalState.ACCEPTED:
                report.under_way_total += reversal.amount
            elif credit is None:  # one that differs was found from the vendor's side
                report.drift += reversal.amount
                report.findings.append(f"reversal {reversal.id}: it succeeded, and the vendor was not credited")
        after = page[-1].id


def _differs(credit: reversal_credit_pb2.ReversalCredit, debited: DebitedReversal | None) -> bool:
    return debited is None or (debited.vendor_id, debited.amount) != (credit.vendor_id, credit.amount)
