"""DEBIT, CREDIT and FINISH: bring the pending charges of a slot to their final state.

Any number of workers may do this for the same charges at any time, on stale reads, after any crash: the debit decision is sticky, and
CREDIT and FINISH act only on charges that their own transaction moved out of `accepted`.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from services.customer_charge.domain.charges import PendingCharge, Verdict
from services.customer_charge.domain.ledger import credit
from services.customer_charge.operations.record_events import record_settled
from services.customer_charge.storage import accounts, charges, customers, pending_charges
from shared.clock import utc_now
from shared.database import Connection, Database

log = structlog.get_logger(__name__)

BUSY_BATCH = 16
"""A batch of this size says that charges stream in."""

GATHER_SECONDS = 0.015
"""On a stream the next batch gathers for this long: half as many transactions, for a delay that nobody who streams can see. A lone
charge never waits for it."""


class VendorLedger(Protocol):
    """Where vendors are debited."""

    async def debit(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
        """Return one sticky verdict per charge, in order. Raises Unavailable; asking again is always safe."""
        ...


async def settle_slot(database: Database, ledger: VendorLedger, slot: int, *, limit: int) -> int:
    """Settle the slot's pending charges, `limit` in a batch, until none is left; return how many this call finished.

    Raises Unavailable when the vendor ledger or the database is out of reach; what was finished stays finished.
    """
    finished = 0
    while True:
        async with database.reading() as connection:
            pending = await pending_charges.read_pending(connection, slot, limit=limit)
        if not pending:
            return finished
        started = time.monotonic()
        verdicts = await ledger.debit(pending)
        moved = await finish(database, slot, verdicts)
        finished += len(moved)
        if len(pending) < BUSY_BATCH:
            return finished
        if len(pending) < limit:
            await asyncio.sleep(max(0.0, GATHER_SECONDS - (time.monotonic() - started) / 2))


async def finish(database: Database, slot: int, verdicts: Sequence[Verdict]) -> set[str]:
    """Credit the debited charges and give every charge its final state, in one transaction; return the ids of those this call moved.

    A charge that was debited while its customer was being stopped is set aside: the customer's release takes it on.
    """
    while True:
        try:
            return await _finish(database, slot, verdicts)
        except CustomersStoppedError as stopped:
            verdicts = [
                Verdict(verdict.charge, debited=False)
                if verdict.debited and verdict.charge.customer_id in stopped.customer_ids
                else verdict
                for verdict in verdicts
            ]


class CustomersStoppedError(Exception):
    """Nothing may be credited to these customers; the transaction that was about to is rolled back."""

    def __init__(self, customer_ids: set[int]) -> None:
        super().__init__(f"customers {sorted(customer_ids)} are stopped")
        self.customer_ids = customer_ids


async def _finish(database: Database, slot: int, verdicts: Sequence[Verdict]) -> set[str]:
    aside = [verdict.charge.charge_id for verdict in verdicts if verdict.state is None]
    if aside:
        log.error("settle.blocked", slot=slot, charge_ids=aside[:20], count=len(aside))

    async def work(connection: Connection) -> set[str]:
        now = utc_now()
        charge_ids = [verdict.charge.charge_id for verdict in verdicts]
        await charges.lock_charges(connection, charge_ids)
        moved = await charges.finish_charges(connection, verdicts, now)
        await _credit(connection, [verdict.charge for verdict in verdicts if verdict.debited and verdict.charge.charge_id in moved])
        await pending_charges.delete_pending(connection, slot, sorted(moved))
        if aside:
            await pending_charges.block_pending(connection, slot, aside)
        await record_settled(connection, [verdict for verdict in verdicts if verdict.charge.charge_id in moved])
        return moved

    return await database.transact(work)


async def _credit(connection: Connection, debited: Sequence[PendingCharge]) -> None:
    """CREDIT: the customers' entries and balances, and who may see them."""
    if not debited:
        return
    now = utc_now()
    locked = await accounts.lock_accounts(connection, (charge.customer_id for charge in debited))
    stopped = {account.customer_id for account in locked.values() if account.stopped}
    if stopped:
        raise CustomersStoppedError(stopped)
    entries = credit(locked, debited, now)
    await accounts.write_postings(connection, locked.values(), entries)
    await customers.link_vendors(connection, {(charge.customer_id, charge.vendor_id) for charge in debited}, now)
