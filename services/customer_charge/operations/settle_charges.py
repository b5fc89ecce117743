"""DEBIT, CREDIT and FINISH: bring the pending charges of a slot to their final state.

Any number of workers may do this for the same charges at any time, on stale reads, after any crash: the debit decision is sticky, and
CREDIT and FINISH act only on charges whose pending row their own transaction removed and that it moved out of `accepted`.

Where a customer lives in another cell than the vendor, CREDIT is a transaction of its own there, before FINISH: see `credit_apart` for why
that is as safe. FINISH itself is the same everywhere.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from typing import Protocol

import structlog

from services.customer_charge.domain.charges import ChargeState, PendingCharge, Verdict
from services.customer_charge.domain.events import by_vendor
from services.customer_charge.domain.ledger import Account, credit
from services.customer_charge.domain.links import KnownLinks
from services.customer_charge.operations.credit_apart import credit_apart
from services.customer_charge.operations.read_work import read_charges_due
from services.customer_charge.operations.record_events import record_settled, send_numbers
from services.customer_charge.reach import Reach
from services.customer_charge.storage import accounts, charges, customers, pending_charges
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database, Sync, Written, expect_rows
from shared.errors import ChargingError

log = structlog.get_logger(__name__)

BUSY_BATCH = 16
"""A batch of this size says that charges stream in."""

GATHER_SECONDS = 0.04
"""On a stream the next batch gathers for this long: fewer and larger transactions, for a delay that nobody who streams can see. A lone
charge never waits for it."""


class VendorLedger(Protocol):
    """Where vendors are debited."""

    async def debit(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
        """Return one sticky verdict per charge, in order. Raises Unavailable; asking again is always safe."""
        ...


class Watched(Protocol):
    """Somebody who is told how one batch fares."""

    def within(self) -> AbstractContextManager[None]:
        """Return a context for a part of the work on the batch; an error that leaves it is the batch's end."""
        ...

    def settled(self) -> None:
        """Hear that the batch is final."""
        ...


class Unwatched:
    """Nobody."""

    def within(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()

    def settled(self) -> None:
        """Hear nothing."""


BatchWatch = Callable[[Sequence[PendingCharge]], Watched]
"""Told of each batch that is begun."""


def unwatched(_: Sequence[PendingCharge]) -> Unwatched:
    """Watch nothing."""
    return Unwatched()


async def settle_slot(
    cells: Cells,
    ledger: VendorLedger,
    slot: int,
    *,
    limit: int,
    links: KnownLinks | None = None,
    stint_seconds: float = math.inf,
    watch: BatchWatch = unwatched,
    reach: Reach | None = None,
) -> int:
    """Settle the slot's pending charges, `limit` in a batch, until none is left; return how many this call finished.

    It begins nothing more after `stint_seconds`. `links` and `reach` are what earlier calls of this process learnt; `watch` is told of each
    batch. Raises Unavailable when the vendor ledger or the slot's own cell is out of reach; what was finished stays finished. Charges whose
    customers live in another cell that is out of reach stay pending.
    """
    links, reach = links or KnownLinks(), reach or Reach()
    finished = 0
    until = time.monotonic() + stint_seconds
    ahead: asyncio.Task[set[str]] | None = None
    ahead_ids: list[str] = []
    try:
        while True:
            pending: list[PendingCharge] = []
            if time.monotonic() < until:
                pending = await read_charges_due(cells, slot, limit=limit, but=ahead_ids, reach=reach)
            started = time.monotonic()
            watched = watch(pending) if pending else Unwatched()
            with watched.within():
                verdicts = await ledger.debit(pending) if pending else []
            if ahead is not None:
                batch, ahead, ahead_ids = ahead, None, []
                finished += len(await batch)
            elif not pending:
                return finished
            if len(pending) == limit:
                # More than a batch is waiting: the next is read and debited while this one is finished. Batches are finished in order.
                ahead_ids = [charge.charge_id for charge in pending]
                ahead = asyncio.create_task(_finish_watched(watched, cells, slot, verdicts, links, reach))
            elif pending:
                finished += len(await _finish_watched(watched, cells, slot, verdicts, links, reach))
                if len(pending) < BUSY_BATCH:
                    return finished
                await asyncio.sleep(max(0.0, GATHER_SECONDS - (time.monotonic() - started) / 2))
    finally:
        if ahead is not None:
            with suppress(ChargingError):
                await ahead


async def _finish_watched(
    watched: Watched, cells: Cells, slot: int, verdicts: Sequence[Verdict], links: KnownLinks, reach: Reach
) -> set[str]:
    with watched.within():
        moved = await finish(cells, slot, verdicts, links, reach)
    watched.settled()
    return moved


async def finish(
    cells: Cells, slot: int, verdicts: Sequence[Verdict], links: KnownLinks | None = None, reach: Reach | None = None
) -> set[str]:
    """Credit the debited charges and give every charge its final state, in one transaction; return the ids of those this call moved.

    Charges of customers in other cells are credited before, in a transaction of each cell; they are left alone where it is out of reach.
    A charge that was debited while its customer was being stopped is set aside: the customer's release takes it on.
    """
    links = links or KnownLinks()
    database, awaiting = cells.of(slot), set[str]()
    if len(cells) > 1:
        verdicts, awaiting = await credit_apart(cells, verdicts, reach or Reach())
        verdicts = _set_aside(verdicts, awaiting)
    while verdicts:
        try:
            return await _finish(cells, slot, verdicts, links, awaiting)
        except CustomersStoppedError as stopped:
            aside = {verdict.charge.charge_id for verdict in verdicts if verdict.charge.customer_id in stopped.customer_ids}
            verdicts = _set_aside(verdicts, aside)
        except NotAllOursError:
            verdicts = await _still_ours(database, slot, verdicts)
    return set()


def _set_aside(verdicts: Sequence[Verdict], charge_ids: Collection[str]) -> Sequence[Verdict]:
    """Return the verdicts, with those of debited charges among the ids as of charges that a person must look at."""
    if not charge_ids:
        return verdicts
    return [
        Verdict(verdict.charge, debited=False) if verdict.debited and verdict.charge.charge_id in charge_ids else verdict
        for verdict in verdicts
    ]


class CustomersStoppedError(Exception):
    """Nothing may be credited to these customers; the transaction that was about to is rolled back."""

    def __init__(self, customer_ids: set[int]) -> None:
        super().__init__(f"customers {sorted(customer_ids)} are stopped")
        self.customer_ids = customer_ids


class NotAllOursError(Exception):
    """Some of the charges were finished by another worker; the transaction that found out is rolled back."""


async def _still_ours(database: Database, slot: int, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts whose charges nobody has finished."""
    async with database.reading() as connection:
        unfinished = await pending_charges.unfinished(connection, slot, [verdict.charge.charge_id for verdict in verdicts])
    left = [verdict for verdict in verdicts if verdict.charge.charge_id in unfinished]
    if len(left) == len(verdicts):
        raise RuntimeError("charges are pending and accepted, and cannot be finished")
    return left


async def _finish(cells: Cells, slot: int, verdicts: Sequence[Verdict], links: KnownLinks, awaiting: Collection[str]) -> set[str]:
    """Try what `finish` does in the vendors' cell. Raises CustomersStoppedError and NotAllOursError, with nothing done."""
    aside = [verdict.charge.charge_id for verdict in verdicts if verdict.state is None]
    if aside:
        log.error("settle.blocked", slot=slot, charge_ids=aside[:20], count=len(aside))
    debited = [verdict.charge for verdict in verdicts if verdict.debited]
    # The others were credited where their customers live.
    here = debited if len(cells) == 1 else [charge for charge in debited if not cells.apart(charge.vendor_id, charge.customer_id)]
    failed = [verdict for verdict in verdicts if verdict.state == ChargeState.FAILED]
    final = [verdict for verdict in verdicts if verdict.state is not None] if aside else verdicts
    ids = [verdict.charge.charge_id for verdict in final]
    events = by_vendor(final)
    new_links = links.missing((charge.customer_id, charge.vendor_id) for charge in debited)

    async def work(connection: Connection, sync: Sync) -> None:
        now = utc_now()
        # The pending row is what workers compete for: only one of them removes it, and whoever does finishes the charge.
        taken = await pending_charges.delete_pending(connection, slot, ids)
        succeeding = await charges.finish_succeeded(connection, [charge.charge_id for charge in debited], now)
        failing = await charges.finish_failed(connection, failed, now) if failed else None
        heads = await accounts.send_lock(connection, (charge.customer_id for charge in here))
        feeds = await send_numbers(connection, events)
        await sync()
        # All of them, or the whole is taken back: what follows is computed from charges that this transaction moved and no others.
        moved = succeeding.rowcount + (failing.rowcount if failing else 0)
        if (taken.rowcount, moved) != (len(ids), len(ids)):
            raise NotAllOursError
        locked = {account.customer_id: account for account in await heads.fetchall()}
        written = await _credit(connection, locked, here, now)
        await customers.link_vendors(connection, new_links, now)
        if aside:
            await pending_charges.block_pending(connection, slot, aside, awaiting)
        written += await record_settled(connection, events, await feeds.fetchall())
        await sync()
        for cursor, rows, what in written:
            expect_rows(cursor, rows, what)

    await cells.of(slot).transact_pipelined(work)
    links.add(new_links)
    return set(ids)


async def _credit(connection: Connection, locked: dict[int, Account], charged: Sequence[PendingCharge], now: datetime) -> list[Written]:
    """CREDIT: the customers' entries and balances; returns what was sent and how many rows it must write."""
    if not charged:
        return []
    stopped = {account.customer_id for account in locked.values() if account.stopped}
    if stopped:
        raise CustomersStoppedError(stopped)
    entries = credit(locked, charged, now)
    moved = [locked[customer_id] for customer_id in sorted(locked)]
    return [
        (await accounts.insert_entries(connection, entries), len(entries), "entries"),
        (await accounts.update_accounts(connection, moved), len(moved), "balances"),
    ]
