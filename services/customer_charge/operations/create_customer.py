"""Create a customer, or find the one that has the phone number."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.customer_charge.storage import customers
from services.customer_charge.storage.customers import Customer
from shared.audit_log.recording import record_action
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database


async def create_customer(
    cells: Cells,
    phone_number: str,
    vendor_ids: Sequence[int],
    visible_vendors: Sequence[int] | None,
    *,
    logged_as: str | None = None,
) -> Customer:
    """Return the customer with the phone number, made now if there was none, and let the vendors see it.

    `visible_vendors` says as whom to show it (None: everything), `logged_as` as which operator's action
    a new customer is logged (None: not at all). Running it again is the same.

    A number always comes to the same cell, where it is unique, and the cell's sequence gives an id that tells it. Who may see a customer is
    written in the cells of the vendors: with several cells after the customer is committed, so that a crash in between leaves at most a
    customer whom its maker does not see yet, and a repetition mends that.
    """
    home = cells.of_text(phone_number)

    async def work(connection: Connection) -> Customer:
        now = utc_now()
        customer_id, made = await customers.ensure_customer(connection, phone_number, now)
        if made and logged_as is not None:
            # Without the phone number: it is personal, and the customer's row has it.
            await record_action(connection, now=now, actor=logged_as, action="create_customer", target=f"customer:{customer_id}")
        if len(cells) == 1:
            await customers.link_vendors(connection, [(customer_id, vendor_id) for vendor_id in vendor_ids], now)
        shown_to = visible_vendors if len(cells) == 1 else None
        return (await customers.list_customers(connection, visible_vendors=shown_to, customer_id=customer_id))[0]

    customer = await home.transact(work)
    if len(cells) == 1 or not vendor_ids:
        return customer
    parts = {cells.of(part[0]): part for part in cells.split(vendor_ids, lambda vendor_id: vendor_id).values()}
    since = await cells.gather(lambda database: _link(database, customer.id, parts[database]), list(parts))
    return customer if visible_vendors is None else replace(customer, created_at=min(since))


async def _link(database: Database, customer_id: int, vendor_ids: Sequence[int]) -> datetime:
    """Let vendors of one cell see a customer; return since when the first of them does."""

    async def work(connection: Connection) -> datetime:
        await customers.link_vendors(connection, [(customer_id, vendor_id) for vendor_id in vendor_ids], utc_now())
        return await customers.linked_since(connection, customer_id, vendor_ids)

    return await database.transact(work)
