"""Charges."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.charges import Charge, Verdict
from services.customer_charge.storage.order_columns import OrderColumns
from shared.database import Connection, Cursor
from shared.sql_arrays import int_array, nullable_int_array, uuid_array

INSERT_CHARGES = """
INSERT INTO charges (id, vendor_id, customer_id, amount, state, principal, created_at)
SELECT item.id, item.vendor_id, item.customer_id, item.amount, 1, item.principal, %(now)s
FROM (
    SELECT unnest(%(ids)s::uuid[]) AS id, unnest(%(vendor_ids)s::bigint[]) AS vendor_id, unnest(%(customer_ids)s::bigint[]) AS customer_id,
        unnest(%(amounts)s::bigint[]) AS amount, unnest(%(principals)s::text[]) AS principal
    FROM cell
) AS item
"""


async def insert_charges(connection: Connection, orders: OrderColumns, now: datetime) -> Cursor:
    """Add accepted charges; the caller checks that all were written."""
    return await connection.execute(
        INSERT_CHARGES,
        {
            "ids": orders.charge_ids,
            "vendor_ids": orders.vendor_ids,
            "customer_ids": orders.customer_ids,
            "amounts": orders.amounts,
            "principals": orders.principals,
            "now": now,
        },
    )


FINISH_SUCCEEDED = "UPDATE charges SET state = 2, settled_at = %(now)s WHERE id = ANY(%(ids)s::uuid[]) AND state = 1"


async def finish_succeeded(connection: Connection, charge_ids: Sequence[str], now: datetime) -> Cursor:
    """Move accepted charges to `succeeded`: a compare-and-set. The caller holds their pending rows, and checks that all were moved."""
    return await connection.execute(FINISH_SUCCEEDED, {"ids": uuid_array(charge_ids), "now": now})


FINISH_FAILED = """
UPDATE charges
SET state = 3, failure_reason = item.reason, available = item.available, shortfall = item.shortfall, settled_at = %(now)s
FROM unnest(%(ids)s::uuid[], %(reasons)s::smallint[], %(availables)s::bigint[], %(shortfalls)s::bigint[])
    AS item (id, reason, available, shortfall)
WHERE charges.id = item.id AND charges.state = 1
"""


async def finish_failed(connection: Connection, refused: Sequence[Verdict], now: datetime) -> Cursor:
    """Move accepted charges to `failed`, like `finish_succeeded`."""
    return await connection.execute(
        FINISH_FAILED,
        {
            "ids": uuid_array([verdict.charge.charge_id for verdict in refused]),
            "reasons": nullable_int_array(verdict.reason for verdict in refused),
            "availables": int_array(verdict.available for verdict in refused),
            "shortfalls": int_array(verdict.shortfall for verdict in refused),
            "now": now,
        },
    )


GET_CHARGES = """
SELECT id::text AS id, vendor_id, customer_id, amount, state, failure_reason, available, shortfall, created_at, settled_at, external_id,
    metadata, coalesce(reversed_amount, 0) AS reversed_amount, coalesce(allow_duplicate, false) AS allow_duplicate
FROM charges
WHERE id = ANY(%(ids)s::uuid[])
  AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
"""


async def get_charges(connection: Connection, charge_ids: Sequence[str], visible_vendors: Sequence[int] | None = None) -> dict[str, Charge]:
    """Return the charges that exist among the visible vendors (None: all), by id."""
    async with connection.cursor(row_factory=class_row(Charge)) as cursor:
        await cursor.execute(GET_CHARGES, {"ids": uuid_array(charge_ids), "vendor_ids": visible_vendors})
        return {charge.id: charge for charge in await cursor.fetchall()}


FINAL_CHARGES = "SELECT id::text FROM charges WHERE id = ANY(%(ids)s::uuid[]) AND state <> 1"


async def final_charges(connection: Connection, charge_ids: Sequence[str]) -> list[str]:
    """Return those of the ids whose charge is final."""
    cursor = await connection.execute(FINAL_CHARGES, {"ids": uuid_array(charge_ids)})
    return [row[0] for row in await cursor.fetchall()]


LIST_CHARGES = """
SELECT id::text AS id, vendor_id, customer_id, amount, state, failure_reason, available, shortfall, created_at, settled_at, external_id,
    metadata, coalesce(reversed_amount, 0) AS reversed_amount, coalesce(allow_duplicate, false) AS allow_duplicate
FROM charges
WHERE id < %(before_id)s::uuid
  AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
  AND (%(customer_id)s::bigint = 0 OR customer_id = %(customer_id)s)
  AND (%(state)s::smallint = 0 OR state = %(state)s)
  AND (%(start)s::timestamptz IS NULL OR created_at >= %(start)s)
  AND (%(stop)s::timestamptz IS NULL OR created_at < %(stop)s)
ORDER BY charges.id DESC
LIMIT %(limit)s
"""


async def list_charges(
    connection: Connection,
    *,
    before_id: str,
    vendor_ids: Sequence[int] | None,
    customer_id: int,
    state: int,
    start: datetime | None,
    stop: datetime | None,
    limit: int,
) -> list[Charge]:
    """Return charges, newest first, below `before_id`; None, 0 and None leave a filter out."""
    async with connection.cursor(row_factory=class_row(Charge)) as cursor:
        await cursor.execute(
            LIST_CHARGES,
            {
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
