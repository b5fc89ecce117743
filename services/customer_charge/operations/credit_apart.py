"""CREDIT of customers in other cells than their vendors': a transaction in each of those cells, before the vendor's cell finishes.

A transaction stays in one cell, so here the credit is not in that of the pending row, and cannot follow from having removed it. It follows
from the customer's ledger itself: under the account's lock an entry is written only if there is none with the charge's id, which is
unique. So it is right

- repeated, or side by side with other workers: whoever has the lock second finds the entry of the first and writes nothing;
- on a stale read, of a charge that is final by now: only a debited charge is credited, its decision is for ever, and so is its entry;
- after a crash between this and FINISH: the charge is still pending, and whoever takes it on finds the entry and finishes it;
- when a cell does not answer: its charges stay pending, and those of the other cells go on.

What is credited and not yet finished is in the books as what it is: debited and credited, and on its way.
"""

from collections.abc import Sequence

from services.customer_charge.domain.charges import PendingCharge, Verdict
from services.customer_charge.domain.ledger import EntryKind, credit
from services.customer_charge.reach import Reach
from services.customer_charge.storage import accounts
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database, Sync, expect_rows


async def credit_apart(cells: Cells, verdicts: Sequence[Verdict], reach: Reach) -> tuple[list[Verdict], set[str]]:
    """Credit the debited charges whose customers live in another cell than their vendors, all of which live in one.

    Returns the verdicts that may be finished, in order, without those whose customer's cell is out of reach; and the ids of those among
    them that were not credited because their customer is stopped: they are to be set aside.
    """
    apart = [
        verdict.charge for verdict in verdicts if verdict.debited and cells.apart(verdict.charge.vendor_id, verdict.charge.customer_id)
    ]
    if not apart:
        return list(verdicts), set()
    parts = cells.split(apart, lambda charge: charge.customer_id)
    # Not cut short: a transaction that goes on behind the back of its caller would be no wrong, but this one's would be begun again.
    stopped = await reach.ask(cells, parts, lambda cell, database: credit_customers(database, parts[cell]), seconds=None)
    postponed = {charge.charge_id for cell, part in parts.items() if cell not in stopped for charge in part}
    left = [verdict for verdict in verdicts if verdict.charge.charge_id not in postponed] if postponed else list(verdicts)
    return left, {charge_id for ids in stopped.values() for charge_id in ids}


async def credit_customers(database: Database, charges: Sequence[PendingCharge]) -> set[str]:
    """Credit debited charges of one cell's customers that are not credited yet; return the ids of those whose customer is stopped.

    A charge that was credited before its customer was stopped is credited.
    """
    ids = [charge.charge_id for charge in charges]

    async def work(connection: Connection, sync: Sync) -> set[str]:
        now = utc_now()
        heads = await accounts.send_lock(connection, (charge.customer_id for charge in charges))
        # A statement of its own, which begins once the locks are held: it sees what whoever held them before has committed.
        written = await accounts.send_find_references(connection, EntryKind.CHARGE, ids)
        await sync()
        locked = {account.customer_id: account for account in await heads.fetchall()}
        credited = {row[0] for row in await written.fetchall()}
        due = [charge for charge in charges if charge.charge_id not in credited]
        stopped = {charge.charge_id for charge in due if locked[charge.customer_id].stopped}
        entries = credit(locked, [charge for charge in due if charge.charge_id not in stopped], now)
        if entries:
            moved = [locked[customer_id] for customer_id in sorted({entry.customer_id for entry in entries})]
            inserted = await accounts.insert_entries(connection, entries)
            updated = await accounts.update_accounts(connection, moved)
            await sync()
            expect_rows(inserted, len(entries), "entries")
            expect_rows(updated, len(moved), "balances")
        return stopped

    return await database.transact_pipelined(work)
