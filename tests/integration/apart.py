"""Vendors and customers in chosen cells, and the steps of a charge between two cells, one at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from services.customer_charge.domain.charges import PendingCharge
from services.customer_charge.domain.ledger import credit
from services.customer_charge.operations.accept_charges import Accepted, accept_charges
from services.customer_charge.storage import accounts, charges, customers, pending_charges
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import Unavailable
from tests.integration.money import Money, order

SLOT = 0


class Unreachable(Database):
    """A cell whose server does not answer."""

    @asynccontextmanager
    async def _lend(self) -> AsyncIterator[Connection]:  # type: ignore[override]
        raise Unavailable("the database is out of reach", reason="DATABASE_UNAVAILABLE")
        yield  # what makes it a generator


def out_of_reach(cells: Cells, cell: int) -> Cells:
    """Return the cells with one that is out of reach."""
    lost = Unreachable("", "lost", pool_size=1, application_name="lost")
    return Cells([lost if number == cell else database for number, database in enumerate(cells)])


async def vendor_in(money: Money, cell: int, credit: int = 1_000) -> int:
    """Make vendors until one is in the cell; return its id."""
    while True:
        vendor_id = await money.vendor(credit)
        if vendor_id % len(money.vendors) == cell:
            return vendor_id


async def customer_in(money: Money, cell: int, prefix: str = "+98912") -> int:
    """Make a customer with the first free number that belongs to the cell; return its id."""

    async def work(connection: Connection) -> int:
        return (await customers.ensure_customer(connection, number, utc_now()))[0]

    for digits in count(1):
        number = f"{prefix}{digits:07}"
        database = money.cells.of_text(number)
        if database is not money.cells[cell]:
            continue
        async with database.reading() as connection:
            known = await customers.list_customers(connection, visible_vendors=None, phone_number=number)
        if not known:
            return await database.transact(work)
    raise AssertionError


async def accept(money: Money, vendor_id: int, customer_id: int, amount: int) -> PendingCharge:
    """Accept a charge in its vendor's cell; return what is left to do."""
    batch = await accept_charges(money.cells.of(vendor_id), [order(vendor_id, customer_id, amount)], slots=1)
    (accepted,) = batch.results
    assert isinstance(accepted, Accepted)
    return PendingCharge(accepted.charge.id, vendor_id, customer_id, amount)


async def debit(money: Money, charge: PendingCharge) -> None:
    """Have the vendor ledger decide: the vendor is debited."""
    (verdict,) = await money.ledger.debit([charge])
    assert verdict.debited


async def credit_customer(money: Money, charge: PendingCharge) -> None:
    """Credit the customer, in its cell."""

    async def work(connection: Connection) -> None:
        locked = await accounts.lock_accounts(connection, [charge.customer_id])
        await accounts.write_postings(connection, list(locked.values()), credit(locked, [charge], utc_now()))

    await money.cells.of(charge.customer_id).transact(work)


async def finish(money: Money, charge: PendingCharge) -> None:
    """Let the charge succeed, in its vendor's cell."""

    async def work(connection: Connection) -> None:
        now = utc_now()
        await pending_charges.delete_pending(connection, SLOT, [charge.charge_id])
        await charges.finish_succeeded(connection, [charge.charge_id], now)
        await customers.link_vendors(connection, [(charge.customer_id, charge.vendor_id)], now)

    await money.cells.of(charge.vendor_id).transact(work)


async def charged(money: Money, vendor_id: int, customer_id: int, amount: int = 10) -> PendingCharge:
    """Make a charge that succeeded."""
    charge = await accept(money, vendor_id, customer_id, amount)
    await debit(money, charge)
    await credit_customer(money, charge)
    await finish(money, charge)
    return charge
