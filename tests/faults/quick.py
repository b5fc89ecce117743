"""Short plays on the operations themselves, in one process, that each seeded bug is to spoil; `python -m tests.faults.quick PLAY FILE`.

FILE is a JSON object with the URLs of a migrated database. Every play ends like every run of the harness: what was told and what the
databases hold is judged by the same model, the same promises and the same audit. What is wrong is printed, one line each, and the exit
status is 1 then. An operation that breaks (an exception that is no answer) is a finding of its own: `broke`.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import structlog

from services.customer_charge.domain.charges import ChargeOrder, PendingCharge, Verdict
from services.customer_charge.operations.accept_charges import Accepted, accept_charges
from services.customer_charge.operations.settle_charges import finish, settle_slot
from services.customer_charge.operations.sweep_charges import sweep_charges
from services.customer_charge.storage.pending_charges import read_pending
from services.vendor_credit.domain.debits import Debit, Outcome
from services.vendor_credit.operations.debit_vendors import debit_vendors
from services.vendor_credit.operations.decide_credit_request import approve_credit_request, reject_credit_request
from services.vendor_credit.operations.post_credit import post_credit, sweep_unposted
from services.vendor_credit.operations.submit_credit_request import submit_credit_request
from shared import clock, database
from shared.crash_points import operation_of
from shared.errors import ChargingError, IdempotencyKeyReused, Unavailable
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.faults.facts import read_facts
from tests.faults.history import History, Kind
from tests.faults.judge import REQUEST_STATUSES, STATUSES, judge
from tests.integration.money import SLOTS, LocalVendorLedger, Money, open_money

CREDIT = 300
WORKERS = 4
SETTLE_ROUNDS = 5


@dataclass
class Stage:
    """What a play is given: both services' operations, and where it writes down what it was told."""

    money: Money
    history: History
    vendors: list[int]
    customers: list[int]
    random: Random
    findings: list[str] = field(default_factory=list)

    def order(self, amount: int, *, vendor: int = 0, customer: int = 0, key: str = "") -> ChargeOrder:
        """Return an order with a new charge id, and a key of its own unless one is given."""
        charge_id = uuid7_text()
        return ChargeOrder(charge_id, self.vendors[vendor], self.customers[customer], amount, key or charge_id, "user:1")

    async def guarded(self, work: Awaitable[Any]) -> Any:
        """Do something and return its result; note an exception that is no answer, and return the answer that is one."""
        try:
            return await work
        except ChargingError as error:
            return error
        except Exception as error:
            self.findings.append(f"broke: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            return Unavailable(str(error))

    async def accept(self, *orders: ChargeOrder) -> list[Any]:
        """Accept orders and write down what was told."""
        for order in orders:
            wanted = {"vendor": order.vendor_id, "customer": order.customer_id, "amount": order.amount}
            self.history.add("invoke", "charge", order.key, wanted=wanted)
        batch = await self.guarded(accept_charges(self.money.charges, orders, slots=SLOTS))
        results = [batch] * len(orders) if isinstance(batch, ChargingError) else batch.results
        for order, result in zip(orders, results, strict=True):
            if isinstance(result, Accepted):
                told = {"id": result.charge.id, "status": STATUSES[result.charge.state]}
                self.history.add("ok", "charge", order.key, told=told)
            elif isinstance(result, IdempotencyKeyReused):
                self.history.add("fail", "charge", order.key, detail="422 IDEMPOTENCY_KEY_REUSED")
            else:
                self.history.add("unknown", "charge", order.key, detail=type(result).__name__)
        return results

    async def credit(self, amount: int, *, vendor: int = 0, approve: int = 1, reject: int = 0) -> None:
        """Ask for credit, and have it approved and rejected so many times at once."""
        key, number = uuid7_text(), self.vendors[vendor]
        self.history.add("invoke", "submit", key, wanted={"requester": number, "amount": amount})
        request, _ = await submit_credit_request(self.money.vendors, vendor_id=number, amount=amount, principal="partner", key=key)
        self.history.add("ok", "submit", key, told={"id": request.id, "status": "pending"})
        decisions: list[tuple[Kind, Awaitable[Any]]] = [
            *[("approve", approve_credit_request(self.money.vendors, request.id, "operator", four_eyes=True)) for _ in range(approve)],
            *[("reject", reject_credit_request(self.money.vendors, request.id, "operator", "no")) for _ in range(reject)],
        ]
        for (kind, _), outcome in zip(decisions, await asyncio.gather(*[self.guarded(work) for _, work in decisions]), strict=True):
            self.history.add("invoke", kind, f"{kind}-{request.id}")
            if isinstance(outcome, ChargingError):
                self.history.add("fail", kind, f"{kind}-{request.id}", detail=outcome.reason)
            else:
                self.history.add("ok", kind, f"{kind}-{request.id}", told={"id": request.id, "status": REQUEST_STATUSES[outcome.state]})

    async def settle(self, workers: int = 1) -> None:
        """Settle every slot by so many workers at once."""
        slots = [slot for slot in range(SLOTS) for _ in range(workers)]
        work = [self.guarded(settle_slot(self.money.charges, self.money.ledger, slot, limit=50)) for slot in slots]
        await asyncio.gather(*work)

    async def pending(self) -> dict[int, list[PendingCharge]]:
        """Return what is left to do, by slot: what a worker may still believe much later."""
        async with self.money.charges.reading() as connection:
            return {slot: await read_pending(connection, slot, limit=100) for slot in range(SLOTS)}


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
            await stage.guarded(finish(stage.money.charges, slot, decided))
    # Credit has come: a charge that was refused before must stay refused, whoever asks again.
    await stage.credit(1_000, vendor=0)
    await stage.credit(1_000, vendor=1)
    for slot, charges in seen.items():
        if charges:
            decided = await stage.guarded(stage.money.ledger.debit(charges))
            await stage.guarded(finish(stage.money.charges, slot, decided if isinstance(decided, list) else []))
    await stage.guarded(post_credit(stage.money.vendors, stage.vendors))


async def lost_hints(stage: Stage) -> None:
    """Wake no worker; after a while the sweeper alone does everything."""
    await stage.accept(*[stage.order(7, vendor=number % 2) for number in range(6)])
    await stage.credit(50)
    clock.shift_by(lambda: timedelta(seconds=3))
    await stage.guarded(sweep_charges(stage.money.charges, stage.money.ledger, limit=100))
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
    for slot in range(SLOTS):
        try:
            await settle_slot(stage.money.charges, stage.money.ledger, slot, limit=50)
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


async def forged_debit(stage: Stage) -> None:
    """Ask about a decided charge with another amount: an alarm, never a replay, and its companions go on."""
    await stage.accept(stage.order(11), stage.order(12))
    charges = [charge for charges in (await stage.pending()).values() for charge in charges]
    stolen = charges[0]
    (answer,) = await debit_vendors(stage.money.vendors, [Debit(stolen.charge_id, stolen.vendor_id, stolen.amount)])
    (again,) = await debit_vendors(stage.money.vendors, [Debit(stolen.charge_id, stolen.vendor_id, stolen.amount + 1)])
    if (answer.outcome, again.outcome) != (Outcome.DEBITED, Outcome.MISMATCH):
        stage.findings.append("invariant 6: one charge id was debited with two amounts, and nobody was told")
    mixed = [Verdict(charges[0], debited=True), Verdict(charges[1], debited=False)]
    await stage.guarded(finish(stage.money.charges, stolen.vendor_id % SLOTS, mixed))
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        freed = admin.execute("UPDATE customer_charge.pending_charges SET blocked = false WHERE blocked").rowcount
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
    facts = read_facts(ADMIN_URL, stage.vendors)
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
    play.__name__: play for play in (rush, stale_workers, lost_hints, lost_answers, dead_settler, clock_steps, forged_debit, approved_first)
}
ADMIN_URL = ""


@asynccontextmanager
async def set_stage(databases: Databases, folder: Path) -> AsyncIterator[Stage]:
    """Give two vendors with credit, one of them with a limit too, and two customers."""
    async with open_money(databases) as money:
        with History(folder / "quick.jsonl") as history:
            stage = Stage(money, history, [], [], Random(7))
            for limit in (0, 40):
                stage.vendors.append(await money.vendor(credit_limit=limit))
                stage.customers.append(await money.customer())
            for vendor in range(2):
                await stage.credit(CREDIT, vendor=vendor)
            await stage.guarded(post_credit(money.vendors, stage.vendors))
            yield stage


async def perform(name: str, databases: Databases) -> list[str]:
    """Play, let everything come to rest, and return what is wrong."""
    with TemporaryDirectory() as folder:
        async with set_stage(databases, Path(folder)) as stage:
            await PLAYS[name](stage)
            for _ in range(SETTLE_ROUNDS):
                await stage.settle()
            await stage.guarded(sweep_unposted(stage.money.vendors))
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
    global ADMIN_URL  # noqa: PLW0603 - one play, one database
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _, name, file = sys.argv
    databases = Databases(**json.loads(Path(file).read_text()))
    ADMIN_URL = databases.admin_url
    findings = asyncio.run(perform(name, databases))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
