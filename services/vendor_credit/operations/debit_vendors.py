"""Decide a batch of debits in one transaction; one sticky decision per charge id."""

from collections.abc import Sequence
from operator import attrgetter

import structlog

from services.vendor_credit.domain.debits import Debit, Decision, Outcome, decide
from services.vendor_credit.operations.guard_duplicates import guard_duplicates
from services.vendor_credit.operations.post_credit import post
from services.vendor_credit.operations.write_entries import send_entries
from services.vendor_credit.storage import accounts, credit_requests, decisions, guarded_debits
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database, Sync, expect_rows

log = structlog.get_logger(__name__)


async def debit_vendors(cells: Cells, debits: Sequence[Debit]) -> Sequence[Decision]:
    """Return one decision per debit, in order: the first ever made for its charge id in its vendor's cell.

    New debits are decided in the order given, after the vendor's approved credit was posted: who was told "approved" is not refused. A
    charge id that was decided before with another amount, or another vendor of the same cell, comes back as MISMATCH and changes nothing;
    one that was decided in another cell is found by the match of charges and debits. Vendors of several cells are several transactions.
    """
    return await cells.answer_each(debits, attrgetter("vendor_id"), _debit_cell)


async def _debit_cell(database: Database, debits: Sequence[Debit]) -> list[Decision]:

    async def work(connection: Connection, sync: Sync) -> dict[str, Decision]:
        return await _decide_batch(connection, sync, debits)

    made = await database.transact_pipelined(work)
    return [_answer(made[debit.charge_id], debit) for debit in debits]


async def _decide_batch(connection: Connection, sync: Sync, debits: Sequence[Debit]) -> dict[str, Decision]:
    vendor_ids = sorted({debit.vendor_id for debit in debits})
    heads = await accounts.send_lock(connection, vendor_ids)
    # In statements of their own, which the server carries out once it holds the locks: whoever decided one of these charges, or posted one
    # of these requests, held the same vendor's lock and has committed.
    earlier = await decisions.send_get(connection, sorted({debit.charge_id for debit in debits}))
    approved = await credit_requests.approved_requests(connection, vendor_ids)
    locked = {account.vendor_id: account for account in await heads.fetchall()}
    known = await _with_balances(connection, await earlier.fetchall())
    fresh = {debit.charge_id: debit for debit in reversed(debits) if debit.charge_id not in known}
    if not fresh:
        return known
    now = utc_now()
    entries = await post(connection, locked, approved, now)
    ordered = [debit for debit in debits if fresh.get(debit.charge_id) is debit]
    guard = await guard_duplicates(connection, locked, ordered)
    made, charged = decide(locked, ordered, now, guard)
    written = await send_entries(connection, locked, [*entries, *charged])
    inserted = await decisions.insert_decisions(connection, sorted(made, key=attrgetter("charge_id")), now)
    if guard.remembered:
        written = [*written, (await guarded_debits.insert_guarded(connection, guard.remembered), len(guard.remembered), "guarded debits")]
    await sync()
    for cursor, rows, what in (*written, (inserted, len(made), "decisions")):
        expect_rows(cursor, rows, what)
    return known | {decision.charge_id: decision for decision in made}


async def _with_balances(connection: Connection, known: Sequence[Decision]) -> dict[str, Decision]:
    """Return earlier decisions by charge id. Their balances are with the entries, and are read only when a batch is repeated."""
    if not known:
        return {}
    balances = await accounts.balances_after_charges(connection, [decision.charge_id for decision in known])
    return {decision.charge_id: decision._replace(balance_after=balances.get(decision.charge_id)) for decision in known}


def _answer(decision: Decision, debit: Debit) -> Decision:
    if decision.answers(debit):
        return decision
    log.error(
        "debit.mismatch",
        charge_id=debit.charge_id,
        asked=(debit.vendor_id, debit.amount),
        decided=(decision.vendor_id, decision.amount),
    )
    return Decision(debit.charge_id, debit.vendor_id, debit.amount, Outcome.MISMATCH)
