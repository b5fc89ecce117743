"""Idempotency keys of writes that move no money."""

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from shared.database import Connection
from shared.errors import IdempotencyKeyReused

INSERT_KEY = """
INSERT INTO write_keys (principal, method, key, payload, resource_id, created_at)
VALUES (%(principal)s, %(method)s, %(key)s, %(payload)s, %(resource_id)s, %(now)s)
ON CONFLICT (principal, method, key) DO NOTHING
"""

GET_KEY = """
SELECT payload, resource_id
FROM write_keys
WHERE principal = %(principal)s AND method = %(method)s AND key = %(key)s
"""


async def claim_key(
    connection: Connection, *, principal: str, method: str, key: str, payload: dict[str, Any], resource_id: int, now: datetime
) -> int | None:
    """Record that `key` makes `resource_id`; return None, or the id that the key made before.

    Waits for a transaction that is recording the same key. Raises IdempotencyKeyReused when the key was used with another payload.
    """
    name = {"principal": principal, "method": method, "key": key}
    cursor = await connection.execute(INSERT_KEY, {**name, "payload": Jsonb(payload), "resource_id": resource_id, "now": now})
    if cursor.rowcount == 1:
        return None
    cursor = await connection.execute(GET_KEY, name)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - keys are never removed
    if row[0] != payload:
        raise IdempotencyKeyReused("this idempotency key was used before with another request")
    return int(row[1])
