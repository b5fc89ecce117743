"""DEBIT, CREDIT and FINISH: bring the pending charges of a slot to their final state.

Any number of workers may do this for the same charges at any time, on stale reads, after any crash: the debit decision is sticky, and
CREDIT and FINISH act only on charges that their own transaction moved out of `accepted`.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog

from services.customer_charge.domain.charges import PendingCharge, Verdict
from services.customer_charge.domain.ledger import Account, credit
from services.customer_charge.operations.record_events import record_settled
from services.customer_charge.storage import accounts, charges, customers, pending_charges
from shared.clock import utc_now
from shared.database import Connection, Database, Sync, Written, expect_rows

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

    debited = [verdict.charge for verdict in verdicts if verdict.debited]

    async def work(connection: Connection, sync: Sync) -> set[str]:
        now = utc_now()
        await charges.lock_charges(connection, [verdict.charge.charge_id for verdict in verdicts])
        finished = await charges.finish_charges(connection, verdicts, now)
        heads = await accounts.send_lock(connection, (charge.customer_id for charge in debited))
        await sync()
        moved = {row[0] for row in await finished.fetchall()}
        locked = {account.customer_id: account for account in await heads.fetchall()}
        written = [(await pending_charges.delete_pending(connection, slot, sorted(moved)), len(moved), "removals of pending charges")]
        written += await _credit(connection, locked, [charge for charge in debited if charge.charge_id in moved], now)
        if aside:
            await pending_charges.block_pending(connection, slot, aside)
        written += await record_settled(connection, [verdict for verdict in verdicts if verdict.charge.charge_id in moved])
        await sync()
        for cursor, rows, what in written:
            expect_rows(cursor, rows, what)
        return moved

    return await database.transact_pipelined(work)


async def _credit(connection: Connection, locked: dict[int, Account], charged: Sequence[PendingCharge], now: datetime) -> list[Written]:
    """CREDIT: the customers' entries and balances, and who may see them; returns what was sent and how many rows it must write."""
    if not charged:
        return []
    stopped = {charge.customer_id for charge in charged if locked[charge.customer_id].stopped}
    if stopped:
        raise CustomersStoppedError(stopped)
    entries = credit(locked, charged, now)
    moved = [locked[customer_id] for customer_id in sorted({charge.customer_id for charge in charged})]
    await customers.link_vendors(connection, {(charge.customer_id, charge.vendor_id) for charge in charged}, now)
    return [
        (await accounts.insert_entries(connection, entries), len(entries), "entries"),
        (await accounts.update_accounts(connection, moved), len(moved), "balances"),
    ]
