"""Short plays on the operations themselves, in one process, that each seeded bug is to spoil; `python -m tests.faults.quick PLAY FILE`.

FILE is a JSON object with the URLs of a migrated database. Every play ends like every run of the harness: what was told and what the
databases hold is judged by the same model, the same promises and the same audit. What is wrong is printed, one line each, and the exit
status is 1 then. An operation that breaks (an exception that is no answer) is a finding of its own: `broke`.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import structlog

from services.customer_charge.domain.charges import ChargeOrder, PendingCharge, Verdict
from services.customer_charge.operations.settle_charges import finish, settle_slot
from services.vendor_credit.domain.debits import Debit, Outcome
from services.vendor_credit.operations.debit_vendors import debit_vendors
from services.vendor_credit.operations.post_credit import post_credit, sweep_unposted
from shared import clock, database
from shared.crash_points import operation_of
from shared.errors import Unavailable
from shared.uuid7 import uuid7_text
from tests.cells import change_in_cells
from tests.databases import Databases
from tests.faults.facts import read_facts
from tests.faults.judge import judge
from tests.faults.quick_cells import between_cells, cell_out_of_reach
from tests.faults.quick_events import brought, lost_finishes, relay_all, repeated, told_again
from tests.faults.quick_reversals import sealed, settle_all_reversals, taken_back, taken_back_twice
from tests.faults.stage import CREDIT, Stage, set_stage
from tests.integration.money import LocalVendorLedger

WORKERS = 4
SETTLE_ROUNDS = 5


async def rush(stage: Stage) -> None:
    """Do everything at once on few rows: repeated and reused keys, many workers, raced decisions, posts and sweeps."""
    random = stage.random

    async def partner(number: int) -> None:
        for turn in range(12):
            vendor, customer, amount = random.randrange(2), random.randrange(2), random.randint(1, 30)
            same = stage.order(amount, vendor=vendor, customer=customer)
            other = ChargeOrder(uuid7_text(), same.vendor_id, same.customer_id, amount, same.key, "user:1")
            reused = ChargeOrder(uuid7_text(), same.vendor_id, same.customer_id, amount + 1, same.key, "user:1")
            await asyncio.gather(stage.accept(same), stage.accept(other, stage.order(3, vendor=1)))
            if turn % 4 == number % 4:
                await stage.accept(reused)

    async def worker() -> None:
        for _ in range(8):
            await stage.settle()

    async def operator() -> None:
        for turn in range(5):
            await stage.credit(random.randint(1, 60), vendor=turn % 2, approve=2, reject=turn % 2)
            await stage.guarded(post_credit(stage.money.vendors, stage.vendors))

    await asyncio.gather(*[partner(number) for number in range(4)], *[worker() for _ in range(WORKERS)], operator(), operator())


async def stale_workers(stage: Stage) -> None:
    """Let workers stop in the middle and go on long after others have finished the same charges."""
    await stage.accept(*[stage.order(60 + 2 * number, vendor=number % 2, customer=number % 2) for number in range(12)])
    seen = await stage.pending()
    verdicts = {slot: await stage.money.ledger.debit(charges) for slot, charges in seen.items() if charges}
    await stage.settle(WORKERS)
    for _ in range(2):
        for slot, decided in verdicts.items():
            await stage.guarded(finish(stage.money.cells, slot, decided))
    # Credit has come: a charge that was refused before must stay refused, whoever asks again.
    await stage.credit(1_000, vendor=0)
    await stage.credit(1_000, vendor=1)
    for slot, charges in seen.items():
        if charges:
            decided = await stage.guarded(stage.money.ledger.debit(charges))
            await stage.guarded(finish(stage.money.cells, slot, decided if isinstance(decided, list) else []))
    await stage.guarded(post_credit(stage.money.vendors, stage.vendors))


async def lost_hints(stage: Stage) -> None:
    """Wake no worker; after a while the sweeper alone does everything."""
    await stage.accept(*[stage.order(7, vendor=number % 2) for number in range(6)])
    await stage.credit(50)
    clock.shift_by(lambda: timedelta(seconds=3))
    await stage.guarded(stage.money.sweep())
    await stage.guarded(sweep_unposted(stage.money.vendors))
    if any((await stage.pending()).values()):
        stage.findings.append("invariant 1: charges were left undone, and nobody else will come")


async def lost_answers(stage: Stage) -> None:
    """Break connections before and after COMMIT, and lose answers of the vendor ledger."""
    losses = BreakingConnections(stage.random)
    database.crash_point = losses.reach
    await asyncio.gather(*[stage.accept(stage.order(5, vendor=number % 2), stage.order(6)) for number in range(20)])
    stage.money.ledger = ForgetfulLedger(stage.money.vendors, stage.random)
    for _ in range(6):
        await stage.settle(2)
    losses.share = 0.1  # few enough that asking for credit, which this partner does once, gets through
    await stage.credit(20, approve=2)
    await stage.guarded(post_credit(stage.money.vendors, stage.vendors))
    stage.money.ledger = LocalVendorLedger(stage.money.vendors)
    losses.share = 0.0


async def dead_settler(stage: Stage) -> None:
    """Let workers die on their way from the vendor's debit to the customer's credit."""
    await stage.accept(*[stage.order(9, vendor=number % 2) for number in range(8)])

    def die(moment: str, work: object = None) -> None:
        if work is not None and operation_of(work) == "settle_charges" and moment == "before_commit":
            raise asyncio.CancelledError

    database.crash_point, alive = die, database.crash_point
    for slot in range(stage.money.slots):
        try:
            await settle_slot(stage.money.cells, stage.money.ledger, slot, limit=50)
        except asyncio.CancelledError:
            continue
    database.crash_point = alive


async def clock_steps(stage: Stage) -> None:
    """Let the clock jump between entries of one ledger."""
    for seconds in (0, -3_600, 3_600, -60):
        clock.shift_by(lambda seconds=seconds: timedelta(seconds=seconds))
        await stage.accept(stage.order(5))
        await stage.settle()
    clock.shift_by(timedelta)


async def accepted_ahead_of_time(stage: Stage) -> None:
    """Accept charges while the clock is an hour ahead, and wake no worker: back in time the sweeper finds them at once."""
    clock.shift_by(lambda: timedelta(hours=1))
    await stage.accept(*[stage.order(7, vendor=number % 2) for number in range(6)])
    clock.shift_by(timedelta)
    await stage.guarded(stage.money.sweep())
    if any((await stage.pending()).values()):
        stage.findings.append("invariant 1: charges wait until the clock has come to their time")


async def forged_debit(stage: Stage) -> None:
    """Ask about a decided charge with another amount: an alarm, never a replay, and its companions go on."""
    await stage.accept(stage.order(11), stage.order(12))
    charges = [charge for charges in (await stage.pending()).values() for charge in charges]
    stolen = charges[0]
    (answer,) = await debit_vendors(stage.money.vendors, [Debit(stolen.charge_id, stolen.vendor_id, stolen.amount)])
    (again,) = await debit_vendors(stage.money.vendors, [Debit(stolen.charge_id, stolen.vendor_id, stolen.amount + 1)])
    if (answer.outcome, again.outcome) != (Outcome.DEBITED, Outcome.MISMATCH):
        stage.findings.append("invariant 6: one charge id was debited with two amounts, and nobody was told")
    mixed = [Verdict(charges[0], debited=True, balance_after=answer.balance_after), Verdict(charges[1], debited=False)]
    await stage.guarded(finish(stage.money.cells, stolen.vendor_id % stage.money.slots, mixed))
    with psycopg.connect(stage.admin_url, autocommit=True) as admin:
        freed = change_in_cells(admin, "UPDATE customer_charge.pending_charges SET blocked = false WHERE blocked")
    if freed != 1:
        stage.findings.append(f"invariant 1: {freed} charges were set aside for one that does not match")


async def approved_first(stage: Stage) -> None:
    """Charge what was just approved: who was told "approved" is not refused, posted by a worker or not."""
    await stage.accept(stage.order(CREDIT))
    await stage.settle()
    await stage.credit(100)
    order = stage.order(100)
    await stage.accept(order)
    await stage.settle()
    facts = read_facts(stage.admin_url, stage.vendors)
    if next(charge.state for charge in facts.charges if charge.id == order.charge_id) != 2:
        stage.findings.append("invariant 6: a charge was refused though credit for it had been approved")


@dataclass
class BreakingConnections:
    """Break connections around COMMIT: the client never learns what became of its transaction."""

    random: Random
    share: float = 0.3

    def reach(self, moment: str, work: object = None) -> None:
        """Break the connection, now and then."""
        if self.random.random() < self.share:
            raise psycopg.OperationalError(f"the connection is lost {moment}")


class ForgetfulLedger(LocalVendorLedger):
    """A vendor ledger whose answers get lost after the work was done: the first few, then half of them."""

    LOST_FIRST = 4

    def __init__(self, vendors: Any, random: Random) -> None:
        super().__init__(vendors)
        self._random = random
        self._asked = 0

    async def debit(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
        """Debit, and answer or not."""
        verdicts = await super().debit(pending)
        self._asked += 1
        if self._asked <= self.LOST_FIRST or self._random.random() < 0.5:
            raise Unavailable("the answer got lost")
        return verdicts


PLAYS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    play.__name__: play
    for play in (
        rush,
        stale_workers,
        lost_hints,
        lost_answers,
        dead_settler,
        clock_steps,
        accepted_ahead_of_time,
        forged_debit,
        approved_first,
        sealed,
        taken_back,
        taken_back_twice,
        lost_finishes,
        told_again,
        brought,
        repeated,
        between_cells,
        cell_out_of_reach,
    )
}

CELLS_OF = {"between_cells": 4, "cell_out_of_reach": 4}
"""Plays that need several cells, and how many; the others are played with any number."""


async def perform(name: str, databases: Databases) -> list[str]:
    """Play, let everything come to rest, and return what is wrong."""
    with TemporaryDirectory() as folder:
        async with set_stage(databases, Path(folder)) as stage:
            await PLAYS[name](stage)
            for _ in range(SETTLE_ROUNDS):
                await stage.settle()
            await settle_all_reversals(stage)
            await stage.guarded(sweep_unposted(stage.money.vendors))
            await relay_all(stage)
            found = judge(read_facts(databases.admin_url, stage.vendors), stage.history.lines)
            books = await stage.money.books()
        return [
            *stage.findings,
            *[f"invariant {finding.invariant}: {finding.text}" for finding in found],
            *[f"audit: {finding}" for finding in books.findings],
            *([f"audit: drift of {books.drift}"] if books.drift else []),
        ]


def main() -> int:
    """Perform the play that the command line names."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _, name, file = sys.argv
    databases = Databases(**json.loads(Path(file).read_text()))
    findings = asyncio.run(perform(name, databases))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
