"""What the quick plays play on: both services' operations in one process, and a history of all that was told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from services.customer_charge.domain.charges import ChargeOrder, PendingCharge
from services.customer_charge.operations.accept_charges import Accepted
from services.customer_charge.operations.settle_charges import settle_slot
from services.customer_charge.storage.pending_charges import read_pending
from services.vendor_credit.operations.decide_credit_request import approve_credit_request, reject_credit_request
from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.operations.submit_credit_request import submit_credit_request
from shared.errors import ChargingError, IdempotencyKeyReused, Unavailable
from shared.uuid7 import uuid7_text
from tests.databases import Databases
from tests.faults.history import History, Kind
from tests.faults.judge import REQUEST_STATUSES, STATUSES
from tests.integration.money import Money, open_money

CREDIT = 300


@dataclass
class Stage:
    """What a play is given: both services' operations, and where it writes down what it was told."""

    money: Money
    history: History
    vendors: list[int]
    customers: list[int]
    random: Random
    admin_url: str
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
        batch = await self.guarded(self.money.accept_batch(orders))
        results = [batch] * len(orders) if isinstance(batch, ChargingError) else batch
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
        slots = [slot for slot in range(self.money.slots) for _ in range(workers)]
        work = [self.guarded(settle_slot(self.money.cells, self.money.ledger, slot, limit=50)) for slot in slots]
        await asyncio.gather(*work)

    async def pending(self) -> dict[int, list[PendingCharge]]:
        """Return what is left to do, by slot: what a worker may still believe much later."""
        found = {}
        for slot in range(self.money.slots):
            async with self.money.cells.of(slot).reading() as connection:
                found[slot] = await read_pending(connection, slot, limit=100)
        return found


@asynccontextmanager
async def set_stage(databases: Databases, folder: Path) -> AsyncIterator[Stage]:
    """Give two vendors with credit, one of them with a limit too, and two customers."""
    async with open_money(databases) as money:
        with History(folder / "quick.jsonl") as history:
            stage = Stage(money, history, [], [], Random(7), databases.admin_url)
            for limit in (0, 40):
                stage.vendors.append(await money.vendor(credit_limit=limit))
                stage.customers.append(await money.customer())
            for vendor in range(2):
                await stage.credit(CREDIT, vendor=vendor)
            await stage.guarded(post_credit(money.vendors, stage.vendors))
            yield stage
