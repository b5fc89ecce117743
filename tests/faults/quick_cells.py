"""Plays of vendors and customers who live in different cells: what a charge takes then is one transaction more."""

import asyncio

from services.customer_charge.domain.charges import Verdict
from services.customer_charge.operations.credit_apart import credit_apart
from services.customer_charge.operations.settle_charges import finish
from services.customer_charge.reach import Reach
from tests.faults.stage import CREDIT, Stage
from tests.integration.apart import customer_in, out_of_reach, vendor_in

AWAY = (2, 3)
"""Cells of the customers."""

HOME = 1
"""The cell of the vendor, where one customer lives too."""


async def between_cells(stage: Stage) -> None:
    """Charge customers of other cells: workers die between CREDIT and FINISH, come back late, and race each other."""
    vendor, customers = await _settle_in(stage)
    await stage.accept(*[stage.order(7 + customer, vendor=vendor, customer=customer) for customer in customers for _ in range(3)])
    verdicts = await _debited(stage)
    for decided in verdicts.values():
        # Dies after this: whoever comes next finds the customers of other cells credited, and the charges pending.
        await stage.guarded(credit_apart(stage.money.cells, decided, Reach()))
    await stage.settle(2)
    for slot, decided in verdicts.items():
        await stage.guarded(asyncio.gather(*[finish(stage.money.cells, slot, decided) for _ in range(2)]))
    await stage.accept(*[stage.order(5, vendor=vendor, customer=customer) for customer in customers])
    await stage.settle(4)


async def cell_out_of_reach(stage: Stage) -> None:
    """Finish charges while the cell of a customer does not answer: that customer's stay as they are until it does, the others' are done."""
    vendor, customers = await _settle_in(stage)
    await stage.accept(*[stage.order(11, vendor=vendor, customer=customer) for customer in customers])
    for slot, decided in (await _debited(stage)).items():
        await stage.guarded(finish(out_of_reach(stage.money.cells, AWAY[0]), slot, decided))


async def _settle_in(stage: Stage) -> tuple[int, range]:
    """Add a vendor of the one cell, with credit, and customers of all these cells; return their places on the stage."""
    vendor, first = len(stage.vendors), len(stage.customers)
    stage.vendors.append(await vendor_in(stage.money, HOME, credit=0))
    await stage.credit(CREDIT, vendor=vendor)
    stage.customers += [await customer_in(stage.money, cell) for cell in (*AWAY, HOME)]
    return vendor, range(first, len(stage.customers))


async def _debited(stage: Stage) -> dict[int, list[Verdict]]:
    """Have the vendor ledger decide about all that is pending, and stop there; return what it decided, by slot."""
    seen = {slot: charges for slot, charges in (await stage.pending()).items() if charges}
    return {slot: await stage.money.ledger.debit(charges) for slot, charges in seen.items()}
