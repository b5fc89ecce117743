"""Take on again the charges that were set aside for customers of other cells who have been released since.

With one cell a customer's release does this in its own transaction, under the account's lock. Between cells there are three transactions
that nothing holds together: a worker saw the customer stopped, a person released it, and the worker set its charge aside, where the release
looked just before. So whatever was set aside for such a customer is looked at again and again, until it is not stopped any more. Taking a
charge on once too often is harmless: its decision stands, and if its customer is stopped after all it is set aside again.
"""

from services.customer_charge.reach import Reach
from services.customer_charge.storage import pending_charges, stops
from shared.cells import Cells
from shared.database import Connection, Database


async def take_on_released(cells: Cells, cell: int, reach: Reach) -> int:
    """Unblock the charges in a cell that wait for customers of other cells who are not stopped; return how many.

    Customers whose cell is out of reach are left for later. Raises Unavailable when the charges' own cell is.
    """
    async with cells[cell].reading() as connection:
        awaited = await pending_charges.awaited_customers(connection)
    parts = cells.split(awaited, lambda customer_id: customer_id)

    async def ask(other: int, database: Database) -> set[int]:
        async with database.reading() as connection:
            return set(parts[other]) - await stops.stopped_among(connection, parts[other])

    answers = await reach.ask(cells, [other for other in parts if other not in reach.away()], ask)
    released = sorted(customer_id for free in answers.values() for customer_id in free)
    if not released:
        return 0

    async def work(connection: Connection) -> int:
        return await pending_charges.unblock_released(connection, released)

    return await cells[cell].transact(work)
