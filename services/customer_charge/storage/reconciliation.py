"""Charges as a reconciliation looks them up: many at once, by each of their names, and those of a period."""

from collections.abc import Collection, Mapping

from psycopg.rows import class_row

from services.customer_charge.domain.reconciliation import Ours
from shared.database import Connection
from shared.sql_arrays import int_array, text_array, uuid_array

CHARGES_BY_ID = """
SELECT charges.id::text AS id, customer_id, amount, state, external_id, coalesce(reversed_amount, 0) AS reversed_amount, created_at
FROM unnest(%(ids)s::uuid[]) AS item (id)
JOIN charges ON charges.id = item.id
WHERE vendor_id = %(vendor_id)s
"""


async def charges_by_id(connection: Connection, vendor_id: int, ids: Collection[str]) -> dict[str, Ours]:
    """Return those of the vendor's charges that have one of the ids."""
    async with connection.cursor(row_factory=class_row(Ours)) as cursor:
        await cursor.execute(CHARGES_BY_ID, {"vendor_id": vendor_id, "ids": uuid_array(ids)})
        return {ours.id: ours for ours in await cursor.fetchall()}


CHARGES_BY_KEY = """
SELECT charge_keys.key, charges.id::text, charges.customer_id, charges.amount, charges.state, external_id, coalesce(reversed_amount, 0),
    charges.created_at
FROM unnest(%(keys)s::text[]) AS item (key)
JOIN charge_keys ON charge_keys.vendor_id = %(vendor_id)s AND charge_keys.key = item.key
JOIN charges ON charges.id = charge_keys.charge_id
WHERE charge_keys.state = 1
"""


async def charges_by_key(connection: Connection, vendor_id: int, keys: Collection[str]) -> dict[str, Ours]:
    """Return the charges that the vendor's keys made, by key."""
    cursor = await connection.execute(CHARGES_BY_KEY, {"vendor_id": vendor_id, "keys": text_array(keys)})
    return {key: Ours(*columns) for key, *columns in await cursor.fetchall()}


CHARGES_BY_EXTERNAL_ID = """
SELECT found.id::text AS id, found.customer_id, found.amount, found.state, found.external_id,
    coalesce(found.reversed_amount, 0) AS reversed_amount, found.created_at
FROM unnest(%(external_ids)s::text[], %(limits)s::bigint[]) AS item (external_id, most)
CROSS JOIN LATERAL (
    SELECT id, customer_id, amount, state, external_id, reversed_amount, created_at
    FROM charges
    WHERE charges.external_id = item.external_id
      AND vendor_id = %(vendor_id)s
      AND id >= %(first_id)s::uuid
      AND id < %(stop_id)s::uuid
    ORDER BY id
    LIMIT item.most
) AS found
ORDER BY found.id
"""


async def charges_by_external_id(
    connection: Connection, vendor_id: int, limits: Mapping[str, int], *, first_id: str, stop_id: str
) -> dict[str, list[Ours]]:
    """Return the vendor's charges of each external id, oldest first, at most as many as `limits` says, with ids in the half-open range."""
    async with connection.cursor(row_factory=class_row(Ours)) as cursor:
        await cursor.execute(
            CHARGES_BY_EXTERNAL_ID,
            {
                "vendor_id": vendor_id,
                "external_ids": text_array(limits),
                "limits": int_array(limits.values()),
                "first_id": first_id,
                "stop_id": stop_id,
            },
        )
        found: dict[str, list[Ours]] = {}
        for ours in await cursor.fetchall():
            found.setdefault(ours.external_id or "", []).append(ours)
        return found


CHARGES_BETWEEN = """
SELECT id::text AS id, customer_id, amount, state, external_id, coalesce(reversed_amount, 0) AS reversed_amount, created_at
FROM charges
WHERE vendor_id = %(vendor_id)s
  AND id > %(after_id)s::uuid
  AND id < %(stop_id)s::uuid
ORDER BY charges.id
LIMIT %(limit)s
"""


async def charges_between(connection: Connection, vendor_id: int, *, after_id: str, stop_id: str, limit: int) -> list[Ours]:
    """Return the vendor's charges with ids between the two, oldest first."""
    async with connection.cursor(row_factory=class_row(Ours)) as cursor:
        await cursor.execute(CHARGES_BETWEEN, {"vendor_id": vendor_id, "after_id": after_id, "stop_id": stop_id, "limit": limit})
        return await cursor.fetchall()
