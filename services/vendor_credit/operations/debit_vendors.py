"""Decide a batch of debits in one transaction; one sticky decision per charge id."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from services.vendor_credit.domain.debits import Debit, Decision, Outcome, decide
from services.vendor_credit.operations.post_credit import post_approved
from services.vendor_credit.operations.write_entries import write_entries
from services.vendor_credit.storage import accounts, decisions
from shared.clock import utc_now
from shared.database import Connection, Database

log = structlog.get_logger(__name__)


async def debit_vendors(database: Database, debits: Sequence[Debit]) -> list[Decision]:
    """Return one decision per debit, in order: the first ever made for its charge id.

    New debits are decided in the order given, after the vendor's approved credit was posted: who was told "approved" is not refused. A
    charge id that was decided before with another vendor or amount comes back as MISMATCH and changes nothing.
    """

    async def work(connection: Connection) -> dict[str, Decision]:
        return await _decide_batch(connection, debits)

    made = await database.transact(work)
    return [_answer(made[debit.charge_id], debit) for debit in debits]


async def _decide_batch(connection: Connection, debits: Sequence[Debit]) -> dict[str, Decision]:
    locked = await accounts.lock_accounts(connection, (debit.vendor_id for debit in debits))
    # Read only now, in a statement of its own: whoever decided one of these charges held the same vendor's lock and has committed.
    charge_ids = sorted({debit.charge_id for debit in debits})
    known = await _known(connection, charge_ids)
    fresh = {debit.charge_id: debit for debit in reversed(debits) if debit.charge_id not in known}
    if not fresh:
        return known
    now = utc_now()
    entries = await post_approved(connection, locked, now)
    ordered = [debit for debit in debits if fresh.get(debit.charge_id) is debit]
    made, charged = decide(locked, ordered, now)
    await write_entries(connection, locked, [*entries, *charged])
    await decisions.insert_decisions(connection, sorted(made, key=lambda decision: decision.charge_id), now)
    return known | {decision.charge_id: decision for decision in made}


async def _known(connection: Connection, charge_ids: Sequence[str]) -> dict[str, Decision]:
    """Return the decisions that were made before. Their balances are with the entries, and are read only when a batch is repeated."""
    known = await decisions.get_decisions(connection, charge_ids)
    if not known:
        return {}
    balances = await accounts.balances_after_charges(connection, [decision.charge_id for decision in known])
    return {decision.charge_id: replace(decision, balance_after=balances.get(decision.charge_id)) for decision in known}


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
