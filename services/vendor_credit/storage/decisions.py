"""Debit decisions: one per charge id, for ever."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import AsyncCursor
from psycopg.rows import args_row, class_row

from services.vendor_credit.domain.debits import Debit, Decision
from shared.database import Connection, Cursor
from shared.sql_arrays import int_array, uuid_array

GET_DECISIONS = """
SELECT charge_id::text AS charge_id, vendor_id, amount, outcome, reason, available, shortfall
FROM debit_decisions
WHERE charge_id = ANY(%(charge_ids)s::uuid[])
ORDER BY debit_decisions.charge_id
"""


async def get_decisions(connection: Connection, charge_ids: Sequence[str]) -> list[Decision]:
    """Return the decisions that exist for the charges."""
    return await (await send_get(connection, charge_ids)).fetchall()


async def send_get(connection: Connection, charge_ids: Sequence[str]) -> AsyncCursor[Decision]:
    """Ask for the decisions that exist for the charges; the rows are they."""
    return await connection.cursor(row_factory=args_row(Decision)).execute(GET_DECISIONS, {"charge_ids": uuid_array(charge_ids)})


INSERT_DECISIONS = """
INSERT INTO debit_decisions (charge_id, vendor_id, amount, outcome, reason, available, shortfall, decided_at)
SELECT item.charge_id, item.vendor_id, item.amount, item.outcome, item.reason, item.available, item.shortfall, %(now)s
FROM (
    SELECT unnest(%(charge_ids)s::uuid[]) AS charge_id, unnest(%(vendor_ids)s::bigint[]) AS vendor_id,
        unnest(%(amounts)s::bigint[]) AS amount, unnest(%(outcomes)s::smallint[]) AS outcome, unnest(%(reasons)s::smallint[]) AS reason,
        unnest(%(availables)s::bigint[]) AS available, unnest(%(shortfalls)s::bigint[]) AS shortfall
    FROM cell
) AS item
"""


async def insert_decisions(connection: Connection, decisions: Sequence[Decision], now: datetime) -> Cursor:
    """Record new decisions; the caller checks that all were written.

    A charge id that was decided meanwhile is a unique violation and rolls everything back.
    """
    return await connection.execute(
        INSERT_DECISIONS,
        {
            "charge_ids": uuid_array([decision.charge_id for decision in decisions]),
            "vendor_ids": int_array([decision.vendor_id for decision in decisions]),
            "amounts": int_array([decision.amount for decision in decisions]),
            "outcomes": int_array([decision.outcome for decision in decisions]),
            "reasons": int_array([decision.reason for decision in decisions]),
            "availables": int_array([decision.available for decision in decisions]),
            "shortfalls": int_array([decision.shortfall for decision in decisions]),
            "now": now,
        },
    )


LIST_DEBITS = """
SELECT charge_id::text AS charge_id, vendor_id, amount
FROM debit_decisions
WHERE charge_id > %(after)s::uuid AND charge_id <= %(until)s::uuid AND outcome = 1
ORDER BY debit_decisions.charge_id
LIMIT %(limit)s
"""


async def list_debits(connection: Connection, *, after: str, until: str, limit: int) -> list[Debit]:
    """Return debited charges with ids in (after, until], in order."""
    async with connection.cursor(row_factory=class_row(Debit)) as cursor:
        await cursor.execute(LIST_DEBITS, {"after": after, "until": until, "limit": limit})
        return await cursor.fetchall()
