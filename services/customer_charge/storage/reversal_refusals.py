"""Refusals of reversals, in the cell of the customer who could not pay: written where the vendor's cell is another one."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.customer_charge.domain.reversals import ReversalVerdict
from shared.database import Connection, expect_rows
from shared.sql_arrays import int_array, nullable_int_array, uuid_array


class Refusal(NamedTuple):
    """What the customer held when it was asked, and how much that was too little; minor units."""

    available: int
    shortfall: int


GET_REFUSALS = """
SELECT reversal_id::text, available, shortfall
FROM reversal_refusals
WHERE reversal_id = ANY(%(reversal_ids)s::uuid[])
"""


async def get_refusals(connection: Connection, reversal_ids: Sequence[str]) -> dict[str, Refusal]:
    """Return the refusals that there are of the reversals, by id. The caller holds the locks of their customers."""
    cursor = await connection.execute(GET_REFUSALS, {"reversal_ids": uuid_array(reversal_ids)})
    return {row[0]: Refusal(row[1], row[2]) for row in await cursor.fetchall()}


INSERT_REFUSALS = """
INSERT INTO reversal_refusals (reversal_id, customer_id, available, shortfall, created_at)
SELECT item.reversal_id, item.customer_id, item.available, item.shortfall, %(now)s
FROM unnest(%(reversal_ids)s::uuid[], %(customer_ids)s::bigint[], %(availables)s::bigint[], %(shortfalls)s::bigint[])
    AS item (reversal_id, customer_id, available, shortfall)
JOIN cell ON true
"""


async def insert_refusals(connection: Connection, refused: Sequence[ReversalVerdict], now: datetime) -> None:
    """Write down reversals that their customers cannot pay."""
    cursor = await connection.execute(
        INSERT_REFUSALS,
        {
            "reversal_ids": uuid_array(each.reversal.reversal_id for each in refused),
            "customer_ids": int_array(each.reversal.customer_id for each in refused),
            "availables": nullable_int_array(each.available for each in refused),
            "shortfalls": nullable_int_array(each.shortfall for each in refused),
            "now": now,
        },
    )
    expect_rows(cursor, len(refused), "refusals")
