"""What was debited from vendors with a duplicate window."""

from collections.abc import Sequence

from services.vendor_credit.domain.debits import Debit
from services.vendor_credit.domain.duplicates import Watched
from shared.database import Connection, Cursor
from shared.sql_arrays import int_array, uuid_array

# LIMIT keeps it to one look into the index for each item, whatever the planner thinks of the number of rows.
FIND_REPEATING = """
SELECT item.charge_id::text
FROM unnest(
    %(charge_ids)s::uuid[], %(vendor_ids)s::bigint[], %(customer_ids)s::bigint[], %(amounts)s::bigint[],
    %(firsts)s::uuid[], %(lasts)s::uuid[]
) AS item (charge_id, vendor_id, customer_id, amount, first, last)
CROSS JOIN LATERAL (
    SELECT 1
    FROM guarded_debits
    WHERE guarded_debits.vendor_id = item.vendor_id
      AND guarded_debits.customer_id = item.customer_id
      AND guarded_debits.amount = item.amount
      AND guarded_debits.charge_id BETWEEN item.first AND item.last
    LIMIT 1
) AS neighbour
"""


async def find_repeating(connection: Connection, watched: Sequence[Watched]) -> set[str]:
    """Return the charge ids of those that have a neighbour. To rely on it, hold the vendors' locks."""
    cursor = await connection.execute(
        FIND_REPEATING,
        {
            "charge_ids": uuid_array(each.debit.charge_id for each in watched),
            "vendor_ids": int_array(each.debit.vendor_id for each in watched),
            "customer_ids": int_array(each.debit.customer_id for each in watched),
            "amounts": int_array(each.debit.amount for each in watched),
            "firsts": uuid_array(each.first for each in watched),
            "lasts": uuid_array(each.last for each in watched),
        },
    )
    return {row[0] for row in await cursor.fetchall()}


INSERT_GUARDED = """
INSERT INTO guarded_debits (vendor_id, customer_id, amount, charge_id)
SELECT item.vendor_id, item.customer_id, item.amount, item.charge_id
FROM unnest(
    %(vendor_ids)s::bigint[], %(customer_ids)s::bigint[], %(amounts)s::bigint[], %(charge_ids)s::uuid[]
) AS item (vendor_id, customer_id, amount, charge_id)
JOIN cell ON true
"""


async def insert_guarded(connection: Connection, debits: Sequence[Debit]) -> Cursor:
    """Remember what this transaction debited; the caller checks that all was written."""
    return await connection.execute(
        INSERT_GUARDED,
        {
            "vendor_ids": int_array([debit.vendor_id for debit in debits]),
            "customer_ids": int_array([debit.customer_id for debit in debits]),
            "amounts": int_array([debit.amount for debit in debits]),
            "charge_ids": uuid_array([debit.charge_id for debit in debits]),
        },
    )
