"""Create a customer, or find the one that has the phone number."""

from collections.abc import Sequence

from services.customer_charge.storage import customers
from services.customer_charge.storage.customers import Customer
from shared.audit_log.recording import record_action
from shared.clock import utc_now
from shared.database import Connection, Database


async def create_customer(
    database: Database,
    phone_number: str,
    vendor_ids: Sequence[int],
    visible_vendors: Sequence[int] | None,
    *,
    logged_as: str | None = None,
) -> Customer:
    """Return the customer with the phone number, made now if there was none, and let the vendors see it.

    `visible_vendors` says as whom to show it (None: everything), `logged_as` as which operator's action
    a new customer is logged (None: not at all). Running it again is the same.
    """

    async def work(connection: Connection) -> Customer:
        now = utc_now()
        customer_id, made = await customers.ensure_customer(connection, phone_number, now)
        await customers.link_vendors(connection, [(customer_id, vendor_id) for vendor_id in vendor_ids], now)
        found = await customers.list_customers(connection, visible_vendors=visible_vendors, customer_id=customer_id)
        if made and logged_as is not None:
            # Without the phone number: it is personal, and the customer's row has it.
            await record_action(connection, now=now, actor=logged_as, action="create_customer", target=f"customer:{customer_id}")
        return found[0]

    return await database.transact(work)
