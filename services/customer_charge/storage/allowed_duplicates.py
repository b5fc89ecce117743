"""Pending charges that may be duplicates. A statement of its own, so that all others pay nothing for them."""

from datetime import datetime

from services.customer_charge.storage.order_columns import OrderColumns
from shared.database import Connection, Cursor

INSERT_ALLOWED_PENDING = """
INSERT INTO pending_charges (slot, charge_id, vendor_id, customer_id, amount, accepted_at, blocked, allow_duplicate)
SELECT item.vendor_id %% %(slots)s::smallint, item.charge_id, item.vendor_id, item.customer_id, item.amount, %(now)s, false, true
FROM unnest(
    %(charge_ids)s::uuid[], %(vendor_ids)s::bigint[], %(customer_ids)s::bigint[], %(amounts)s::bigint[]
) AS item (charge_id, vendor_id, customer_id, amount)
JOIN cell ON true
"""


async def insert_allowed_pending(connection: Connection, orders: OrderColumns, slots: int, now: datetime) -> Cursor:
    """Add the work of charges that may be duplicates, spread over `slots` as `slot_of` does; the caller checks that all was written."""
    return await connection.execute(
        INSERT_ALLOWED_PENDING,
        {
            "slots": slots,
            "charge_ids": orders.charge_ids,
            "vendor_ids": orders.vendor_ids,
            "customer_ids": orders.customer_ids,
            "amounts": orders.amounts,
            "now": now,
        },
    )
