"""DEBIT of reversals whose customers live in other cells than their vendors': a decision in the customer's cell, made once.

A transaction stays in one cell, so the reversal's lock does not reach here, and two workers may ask for the same reversal at any time. What
the first decides under the account's lock is therefore written down there, and everybody else reads it: an entry says that the customer
was debited, a refusal that it held too little. There is one or the other, for ever, also when the balance changes afterwards. So it is
right

- repeated, or side by side with other workers: whoever has the lock second finds the decision of the first;
- on a stale read, of a reversal that is final by now: it became so by this decision, which still stands;
- after a crash before the vendor's cell heard of it: the reversal is still pending, and whoever takes it on hears the same;
- when a cell does not answer: its reversals stay pending, and the others go on.

A stopped customer is no decision: its reversals wait for its release.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.customer_charge.domain.ledger import EntryKind
from services.customer_charge.domain.reversals import PendingReversal, ReversalVerdict, debit
from services.customer_charge.reach import Reach
from services.customer_charge.storage import accounts, reversal_refusals
from services.customer_charge.storage.reversal_refusals import Refusal
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Decisions:
    """What customers' cells decided: ids of reversals whose customer is `debited`, and refusals by id. Neither: it is to wait."""

    debited: frozenset[str]
    refused: Mapping[str, Refusal]


async def debit_apart(cells: Cells, pending: Sequence[PendingReversal], reach: Reach) -> Decisions:
    """Debit the customers of reversals that live in another cell than the vendor; return what is decided of them, now or before."""
    apart = [each for each in pending if cells.apart(each.vendor_id, each.customer_id)]
    if not apart:
        return Decisions(frozenset(), {})
    parts = cells.split(apart, lambda each: each.customer_id)
    decided = await reach.ask(cells, parts, lambda cell, database: decide(database, parts[cell]), seconds=None)
    return Decisions(
        frozenset(reversal_id for each in decided.values() for reversal_id in each.debited),
        {reversal_id: refusal for each in decided.values() for reversal_id, refusal in each.refused.items()},
    )


async def decide(database: Database, pending: Sequence[PendingReversal]) -> Decisions:
    """Debit one cell's customers of the reversals that are not decided yet, and write down who cannot pay; return all decisions."""
    ids = [each.reversal_id for each in pending]

    async def work(connection: Connection) -> Decisions:
        now = utc_now()
        locked = await accounts.lock_accounts(connection, (each.customer_id for each in pending))
        # Read once the locks are held: both see what whoever held them before has committed.
        written = await accounts.send_find_references(connection, EntryKind.REVERSAL, ids)
        debited = {row[0] for row in await written.fetchall()}
        refused = await reversal_refusals.get_refusals(connection, ids)
        due = [each for each in pending if each.reversal_id not in debited and each.reversal_id not in refused]
        entries, refusals = debit(locked, [each for each in due if not locked[each.customer_id].stopped], now)
        if entries:
            moved = sorted({entry.customer_id for entry in entries})
            await accounts.write_postings(connection, [locked[customer_id] for customer_id in moved], entries)
        if refusals:
            await reversal_refusals.insert_refusals(connection, refusals, now)
        return Decisions(frozenset(debited | {entry.reference for entry in entries}), {**refused, **_by_id(refusals)})

    return await database.transact(work)


def _by_id(refusals: Sequence[ReversalVerdict]) -> dict[str, Refusal]:
    return {each.reversal.reversal_id: Refusal(each.available or 0, each.shortfall or 0) for each in refusals}
