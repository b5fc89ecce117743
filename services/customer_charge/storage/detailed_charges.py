"""Charges with details: an external id, metadata, leave to be a duplicate. Statements of their own: plain charges pay nothing."""

import json
from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.charges import Charge, ChargeOrder
from shared.database import Connection, Cursor
from shared.sql_arrays import int_array, nullable_text_array, text_array, uuid_array

INSERT_DETAILED_CHARGES = """
INSERT INTO charges (id, vendor_id, customer_id, amount, state, principal, created_at, external_id, metadata, allow_duplicate)
SELECT item.id, item.vendor_id, item.customer_id, item.amount, 1, item.principal, %(now)s, item.external_id, item.metadata::jsonb,
    nullif(item.allow_duplicate, 0)::int::boolean
FROM unnest(
    %(ids)s::uuid[], %(vendor_ids)s::bigint[], %(customer_ids)s::bigint[], %(amounts)s::bigint[], %(principals)s::text[],
    %(external_ids)s::text[], %(metadata)s::text[], %(allowed)s::smallint[]
) AS item (id, vendor_id, customer_id, amount, principal, external_id, metadata, allow_duplicate)
JOIN cell ON true
"""


async def insert_detailed_charges(connection: Connection, orders: Sequence[ChargeOrder], now: datetime) -> Cursor:
    """Add accepted charges with what their callers noted on them and allowed; the caller checks that all were written."""
    return await connection.execute(
        INSERT_DETAILED_CHARGES,
        {
            "ids": uuid_array(order.charge_id for order in orders),
            "vendor_ids": int_array(order.vendor_id for order in orders),
            "customer_ids": int_array(order.customer_id for order in orders),
            "amounts": int_array(order.amount for order in orders),
            "principals": text_array(order.principal for order in orders),
            "external_ids": nullable_text_array(order.external_id for order in orders),
            "metadata": nullable_text_array(json.dumps(order.metadata) if order.metadata else None for order in orders),
            "allowed": int_array(int(order.allow_duplicate) for order in orders),
            "now": now,
        },
    )


LIST_CHARGES_BY_EXTERNAL_ID = """
SELECT id::text AS id, vendor_id, customer_id, amount, state, failure_reason, available, shortfall, created_at, settled_at, external_id,
    metadata, coalesce(reversed_amount, 0) AS reversed_amount, coalesce(allow_duplicate, false) AS allow_duplicate
FROM charges
WHERE external_id = %(external_id)s
  AND id < %(before_id)s::uuid
  AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
  AND (%(customer_id)s::bigint = 0 OR customer_id = %(customer_id)s)
  AND (%(state)s::smallint = 0 OR state = %(state)s)
  AND (%(start)s::timestamptz IS NULL OR created_at >= %(start)s)
  AND (%(stop)s::timestamptz IS NULL OR created_at < %(stop)s)
ORDER BY charges.id DESC
LIMIT %(limit)s
"""


async def list_charges_by_external_id(
    connection: Connection,
    *,
    external_id: str,
    before_id: str,
    vendor_ids: Sequence[int] | None,
    customer_id: int,
    state: int,
    start: datetime | None,
    stop: datetime | None,
    limit: int,
) -> list[Charge]:
    """Return charges with the external id, newest first, below `before_id`; None, 0 and None leave a filter out.

    Not a filter of the other list: a plan that has to serve both would use the index of neither.
    """
    async with connection.cursor(row_factory=class_row(Charge)) as cursor:
        await cursor.execute(
            LIST_CHARGES_BY_EXTERNAL_ID,
            {
                "external_id": external_id,
                "before_id": before_id,
                "vendor_ids": vendor_ids,
                "customer_id": customer_id,
                "state": state,
                "start": start,
                "stop": stop,
                "limit": limit,
            },
        )
        return await cursor.fetchall()
