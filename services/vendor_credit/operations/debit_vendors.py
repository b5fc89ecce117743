"""Decide a batch of debits in one transaction; one sticky decision per charge id."""

from collections.abc import Sequence

import structlog

from services.vendor_credit.domain.debits import Debit, Decision, Outcome, decide
from services.vendor_credit.operations.post_credit import post_approved
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
    known = {decision.charge_id: decision for decision in await decisions.get_decisions(connection, charge_ids)}
    fresh = {debit.charge_id: debit for debit in reversed(debits) if debit.charge_id not in known}
    if not fresh:
        return known
    now = utc_now()
    entries = await post_approved(connection, locked, now)
    ordered = [debit for debit in debits if fresh.get(debit.charge_id) is debit]
    made, charged = decide(locked, ordered, now)
    await accounts.write_postings(connection, locked, [*entries, *charged])
    await decisions.insert_decisions(connection, sorted(made, key=lambda decision: decision.charge_id), now)
    return known | {decision.charge_id: decision for decision in made}


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
