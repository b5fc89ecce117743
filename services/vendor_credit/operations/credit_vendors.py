"""Credit a batch of reversals to their vendors in one transaction; one credit per reversal id, for ever."""

from collections.abc import Sequence
from operator import attrgetter

import structlog

from services.vendor_credit.domain.reversals import CreditOutcome, CreditResult, ReversalCredit, credit
from services.vendor_credit.operations.write_entries import write_entries
from services.vendor_credit.storage import accounts, reversal_credits
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database

log = structlog.get_logger(__name__)


async def credit_vendors(cells: Cells, credits_due: Sequence[ReversalCredit]) -> Sequence[CreditResult]:
    """Return one result per item, in order. Asking again is answered the same and changes nothing.

    A reversal id that was credited before with another amount, or another vendor of the same cell, is MISMATCH; NOT_POSSIBLE is not
    remembered. Vendors of several cells are several transactions.
    """
    return await cells.answer_each(credits_due, attrgetter("vendor_id"), _credit_cell)


async def _credit_cell(database: Database, credits_due: Sequence[ReversalCredit]) -> list[CreditResult]:

    async def work(connection: Connection) -> dict[str, tuple[ReversalCredit, int]]:
        return await _credit_batch(connection, credits_due)

    credited = await database.transact(work)
    return [_result(credited.get(each.reversal_id), each) for each in credits_due]


async def _credit_batch(connection: Connection, credits_due: Sequence[ReversalCredit]) -> dict[str, tuple[ReversalCredit, int]]:
    """Return what each reversal id of the batch is credited as, by earlier transactions and by this one, and the balance after it."""
    locked = await accounts.lock_accounts(connection, (each.vendor_id for each in credits_due))
    # Read only now, in a statement of its own: whoever credited one of these reversals held the same vendor's lock and has committed.
    reversal_ids = sorted({each.reversal_id for each in credits_due})
    known = await reversal_credits.get_posted(connection, reversal_ids)
    fresh: dict[str, ReversalCredit] = {}
    for each in credits_due:
        if each.reversal_id not in known:
            fresh.setdefault(each.reversal_id, each)
    now = utc_now()
    made, entries = credit(locked, fresh.values(), now)
    if made:
        await write_entries(connection, locked, entries)
        await reversal_credits.insert_credits(connection, sorted(made, key=lambda each: each.reversal_id), now)
    return known | {each.reversal_id: (each, entry.balance_after) for each, entry in zip(made, entries, strict=True)}


def _result(posted: tuple[ReversalCredit, int] | None, asked: ReversalCredit) -> CreditResult:
    if posted is None:
        log.error("credit.not_possible", reversal_id=asked.reversal_id, vendor_id=asked.vendor_id, amount=asked.amount)
        return CreditResult(CreditOutcome.NOT_POSSIBLE)
    credited, balance_after = posted
    if credited == asked:
        return CreditResult(CreditOutcome.CREDITED, balance_after)
    log.error(
        "credit.mismatch",
        reversal_id=asked.reversal_id,
        asked=(asked.vendor_id, asked.amount),
        credited=(credited.vendor_id, credited.amount),
    )
    return CreditResult(CreditOutcome.MISMATCH)
