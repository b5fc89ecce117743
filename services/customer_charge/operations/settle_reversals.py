"""DEBIT, CREDIT and FINISH of reversals: take from the customer, give back to the vendor, then finish.

The customer comes first: what a vendor gets back was certainly taken before, and a customer's balance never falls below 0. Any number of
workers may do this for the same reversals at any time, on stale reads, after any crash: the customer is debited under the reversal's lock,
once; the vendor's credit is sticky; and FINISH acts only on reversals that its own transaction moved out of `accepted`.

Where a customer lives in another cell than the vendor it is asked there first, see `debit_apart`: what it decided is for ever, and the
vendor's cell then writes it on the reversal, under the reversal's lock, as if it had decided itself.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import structlog

from services.customer_charge.domain.reversals import Credit, PendingReversal, ReversalState, ReversalVerdict, debit
from services.customer_charge.operations.debit_apart import Decisions, debit_apart
from services.customer_charge.operations.finish_reversals import finish_reversals
from services.customer_charge.operations.read_work import read_reversals_due
from services.customer_charge.reach import Reach
from services.customer_charge.storage import accounts, pending_reversals, reversals, reversed_charges
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database

log = structlog.get_logger(__name__)


class ReversalLedger(Protocol):
    """Where vendors are credited back."""

    async def credit(self, debited: Sequence[PendingReversal]) -> list[Credit]:
        """Credit each reversal's vendor once and return what became of each, in order.

        Raises Unavailable; asking again is always safe.
        """
        ...


async def settle_reversals(cells: Cells, cell: int, ledger: ReversalLedger, *, limit: int, reach: Reach | None = None) -> int:
    """Settle the pending reversals of a cell's vendors, `limit` in a batch, until none is left; return how many this call finished.

    Raises Unavailable when the vendor ledger or the cell is out of reach; what was finished stays finished. Reversals whose customers live
    in another cell that is out of reach stay pending. `reach` is what earlier calls learnt of other cells.
    """
    finished = 0
    reach = reach or Reach()
    while True:
        pending = await read_reversals_due(cells, cell, limit=limit, reach=reach)
        if not pending:
            return finished
        debited, failed = await debit_customers(cells, pending, reach)
        finished += len(failed)
        if debited:
            finished += len(await finish(cells[cell], debited, await ledger.credit(debited)))
        if len(pending) < limit:
            return finished


async def debit_customers(
    cells: Cells, pending: Sequence[PendingReversal], reach: Reach | None = None
) -> tuple[list[PendingReversal], list[ReversalVerdict]]:
    """Debit the customers of one cell's reversals that were not debited yet, in one transaction; those of other cells before, in theirs.

    Returns the reversals whose customer is debited, now or by an earlier transaction, and that are not final; and the verdicts by which
    this transaction failed those that their customer could not pay.
    """
    if not pending:
        return [], []
    apart = await debit_apart(cells, pending, reach or Reach())

    async def work(connection: Connection) -> tuple[list[PendingReversal], list[ReversalVerdict]]:
        now = utc_now()
        known = await _lock(connection, pending)
        accepted = [each for each in pending if known[each.reversal_id][0] == ReversalState.ACCEPTED]
        due = [each for each in accepted if not known[each.reversal_id][1]]
        failed: list[ReversalVerdict] = []
        if due:
            done = await _decide(connection, cells, due, apart, now)
            accepted = [each for each in accepted if each.reversal_id not in done.waiting]
            if done.debited:
                await reversals.mark_debited(connection, done.debited, now)
            if done.refused:
                failed = await finish_reversals(connection, done.refused, now)
        failed_ids = {verdict.reversal.reversal_id for verdict in failed}
        return [each for each in accepted if each.reversal_id not in failed_ids], failed

    return await cells.of(pending[0].vendor_id).transact(work)


class Decided(NamedTuple):
    """What became of reversals that were due: ids of the `debited`, what is `refused`, and ids of those `waiting` for their customers."""

    debited: list[str]
    refused: list[ReversalVerdict]
    waiting: set[str]


async def _decide(connection: Connection, cells: Cells, due: Sequence[PendingReversal], apart: Decisions, now: datetime) -> Decided:
    """Debit the customers of this cell, and hear what those of other cells decided, of locked reversals whose customer is not debited."""
    here = [each for each in due if not cells.apart(each.vendor_id, each.customer_id)]
    locked = await accounts.lock_accounts(connection, (each.customer_id for each in here)) if here else {}
    # Nothing may be taken from a stopped customer: its reversals wait for its release.
    waiting = {each.reversal_id for each in here if locked[each.customer_id].stopped}
    entries, refused = debit(locked, [each for each in here if each.reversal_id not in waiting], now)
    if entries:
        moved = sorted({entry.customer_id for entry in entries})
        await accounts.write_postings(connection, [locked[customer_id] for customer_id in moved], entries)
    debited = [entry.reference for entry in entries]
    for each in due:
        if not cells.apart(each.vendor_id, each.customer_id):
            continue
        refusal = apart.refused.get(each.reversal_id)
        if refusal is not None:
            refused.append(ReversalVerdict(each, ReversalState.FAILED, refusal.available, refusal.shortfall))
        elif each.reversal_id in apart.debited:
            debited.append(each.reversal_id)
        else:  # stopped, or out of reach
            waiting.add(each.reversal_id)
    return Decided(debited, refused, waiting)


async def finish(database: Database, debited: Sequence[PendingReversal], credits_made: Sequence[Credit]) -> list[ReversalVerdict]:
    """Finish the reversals whose vendor is credited, and set the others aside; return the verdicts that this call carried out."""
    answers = list(zip(debited, credits_made, strict=True))
    done = [
        ReversalVerdict(each, ReversalState.SUCCEEDED, vendor_balance_after=credit.vendor_balance_after)
        for each, credit in answers
        if credit.given
    ]
    aside = [each.reversal_id for each, credit in answers if not credit.given]
    if aside:
        log.error("reversal.blocked", reversal_ids=aside[:20], count=len(aside))

    async def work(connection: Connection) -> list[ReversalVerdict]:
        await _lock(connection, debited)
        finished = await finish_reversals(connection, done, utc_now())
        if aside:
            await pending_reversals.block_pending(connection, aside)
        return finished

    return await database.transact(work)


async def _lock(connection: Connection, pending: Sequence[PendingReversal]) -> dict[str, tuple[int, bool]]:
    """Lock the charges, then the reversals, and return of each its state and whether its customer was debited."""
    await reversed_charges.lock_charges(connection, (each.charge_id for each in pending))
    return await reversals.lock_reversals(connection, [each.reversal_id for each in pending])
