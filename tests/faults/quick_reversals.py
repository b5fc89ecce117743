"""Quick plays of keys that are resolved and charges that are taken back, and what brings reversals to rest."""

import asyncio

from services.customer_charge.domain.reversals import ReversalOrder, ReversalState
from services.customer_charge.operations.resolve_charge import resolve_charge
from services.customer_charge.operations.reverse_charge import AcceptedReversal, reverse_charge
from services.customer_charge.operations.settle_reversals import debit_customers
from services.customer_charge.storage import pending_reversals
from shared.errors import ChargingError
from shared.uuid7 import uuid7_text
from tests.faults.judge import STATUSES
from tests.faults.stage import Stage


async def sealed(stage: Stage) -> None:
    """Resolve keys while and before their charges are accepted: sealed or made, each stays so for ever."""
    late = [stage.order(5, vendor=number % 2) for number in range(6)]
    racing = [stage.order(6, vendor=number % 2) for number in range(12)]
    await asyncio.gather(*[_resolve(stage, order.vendor_id, order.key) for order in late])
    await asyncio.gather(
        *[work for order in racing for work in (_resolve(stage, order.vendor_id, order.key), stage.accept(order))],
        *[stage.accept(order) for order in late],
    )
    await asyncio.gather(*[_resolve(stage, order.vendor_id, order.key) for order in (*late, *racing)])


async def taken_back(stage: Stage) -> None:
    """Reverse charges in parts that are too many together, each part asked for twice, by several workers at once."""
    orders = [stage.order(30, vendor=number % 2, customer=number % 2) for number in range(6)]
    await stage.accept(*orders)
    await stage.settle()
    parts = [(order.charge_id, amount, uuid7_text()) for order in orders for amount in (12, 12, 12, None)]
    await asyncio.gather(*[_reverse(stage, *part) for part in parts for _ in range(2)])
    await asyncio.gather(*[settle_all_reversals(stage) for _ in range(3)])
    await asyncio.gather(*[_reverse(stage, *part) for part in parts])


async def taken_back_twice(stage: Stage) -> None:
    """Lose answers of the vendor's credit, so that workers ask for it again, now and long after it was finished."""
    orders = [stage.order(30, vendor=number % 2, customer=number % 2) for number in range(6)]
    await stage.accept(*orders)
    await stage.settle()
    await asyncio.gather(*[_reverse(stage, order.charge_id, 7, uuid7_text()) for order in orders])
    stale = []
    for database in stage.money.cells:
        async with database.reading() as connection:
            waiting = await pending_reversals.read_pending(connection, limit=100)
        debited, _ = await debit_customers(stage.money.cells, waiting)
        await stage.guarded(stage.money.ledger.reversals.credit(debited))
        stale += waiting
    await settle_all_reversals(stage)
    await stage.guarded(stage.money.ledger.reversals.credit(stale))


async def settle_all_reversals(stage: Stage) -> None:
    """Bring every pending reversal to its end."""
    await stage.guarded(stage.money.settle_reversals())


async def _resolve(stage: Stage, vendor: int, key: str) -> None:
    stage.history.add("invoke", "resolve", key, wanted={"vendor": vendor, "idempotency_key": key})
    found = await stage.guarded(resolve_charge(stage.money.cells.of(vendor), vendor, key))
    if isinstance(found, ChargingError):
        stage.history.add("unknown", "resolve", key, detail=type(found).__name__)
    elif found is None:
        stage.history.add("ok", "resolve", key, told={"id": None, "status": "sealed"})
    else:
        stage.history.add("ok", "resolve", key, told={"id": found.id, "status": STATUSES[found.state]})


async def _reverse(stage: Stage, charge_id: str, amount: int | None, key: str) -> None:
    stage.history.add("invoke", "reverse", key, wanted={"charge": charge_id, "amount": amount})
    order = ReversalOrder(uuid7_text(), charge_id, amount, "wrong number", key, "user:1")
    made = await stage.guarded(reverse_charge(stage.money.cells, order, None))
    if isinstance(made, AcceptedReversal):
        status = {ReversalState.ACCEPTED: "accepted"}.get(ReversalState(made.reversal.state), STATUSES[made.reversal.state])
        stage.history.add("ok", "reverse", key, told={"id": made.reversal.id, "status": status})
    else:
        stage.history.add("fail", "reverse", key, detail=made.reason)
