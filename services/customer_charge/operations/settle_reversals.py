"""DEBIT, CREDIT and FINISH of reversals: take from the customer, give back to the vendor, then finish.

The customer comes first: what a vendor gets back was certainly taken before, and a customer's balance never falls below 0. Any number of
workers may do this for the same reversals at any time, on stale reads, after any crash: the customer is debited under the reversal's lock,
once; the vendor's credit is sticky; and FINISH acts only on reversals that its own transaction moved out of `accepted`.
"""

from collections.abc import Sequence
from typing import Protocol

import structlog

from services.customer_charge.domain.reversals import Credit, PendingReversal, ReversalState, ReversalVerdict, debit
from services.customer_charge.operations.finish_reversals import finish_reversals
from services.customer_charge.storage import accounts, pending_reversals, reversals, reversed_charges
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


async def settle_reversals(database: Database, ledger: ReversalLedger, *, limit: int) -> int:
    """Settle pending reversals, `limit` in a batch, until none is left; return how many this call finished.

    Raises Unavailable when the vendor ledger or the database is out of reach; what was finished stays finished.
    """
    finished = 0
    while True:
        async with database.reading() as connection:
            pending = await pending_reversals.read_pending(connection, limit=limit)
        if not pending:
            return finished
        debited, failed = await debit_customers(database, pending)
        finished += len(failed)
        if debited:
            finished += len(await finish(database, debited, await ledger.credit(debited)))
        if len(pending) < limit:
            return finished


async def debit_customers(database: Database, pending: Sequence[PendingReversal]) -> tuple[list[PendingReversal], list[ReversalVerdict]]:
    """Debit the customers of reversals that were not debited yet, in one transaction.

    Returns the reversals whose customer is debited, now or by an earlier transaction, and that are not final; and the verdicts by which
    this transaction failed those that their customer could not pay.
    """

    async def work(connection: Connection) -> tuple[list[PendingReversal], list[ReversalVerdict]]:
        now = utc_now()
        known = await _lock(connection, pending)
        accepted = [each for each in pending if known[each.reversal_id][0] == ReversalState.ACCEPTED]
        due = [each for each in accepted if not known[each.reversal_id][1]]
        failed: list[ReversalVerdict] = []
        if due:
            locked = await accounts.lock_accounts(connection, (each.customer_id for each in due))
            # Nothing may be taken from a stopped customer: its reversals wait for its release.
            waiting = {each.reversal_id for each in due if locked[each.customer_id].stopped}
            accepted = [each for each in accepted if each.reversal_id not in waiting]
            due = [each for each in due if each.reversal_id not in waiting]
            entries, refused = debit(locked, due, now)
            if entries:
                moved = sorted({entry.customer_id for entry in entries})
                await accounts.write_postings(connection, [locked[customer_id] for customer_id in moved], entries)
                await reversals.mark_debited(connection, [entry.reference for entry in entries], now)
            if refused:
                failed = await finish_reversals(connection, refused, now)
        failed_ids = {verdict.reversal.reversal_id for verdict in failed}
        return [each for each in accepted if each.reversal_id not in failed_ids], failed

    return await database.transact(work)


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
