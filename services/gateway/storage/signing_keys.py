"""Table `signing_keys`."""

from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row, tuple_row

from services.gateway.domain.signing_keys import SigningKey

SELECT_NEWEST_KEY = """
SELECT number, kid, public_key, encrypted_private_key, created_at
FROM signing_keys
ORDER BY number DESC
LIMIT 1
"""


async def find_newest_key(connection: AsyncConnection) -> SigningKey | None:
    """Return the key that signs now; None before the first start."""
    async with connection.cursor(row_factory=class_row(SigningKey)) as cursor:
        await cursor.execute(SELECT_NEWEST_KEY)
        return await cursor.fetchone()


INSERT_KEY = """
INSERT INTO signing_keys (number, kid, public_key, encrypted_private_key, created_at)
VALUES (%(number)s, %(kid)s, %(public_key)s, %(encrypted_private_key)s, %(created_at)s)
ON CONFLICT (number) DO NOTHING
"""


async def insert_key(connection: AsyncConnection, key: SigningKey) -> bool:
    """Store a key that signs from now on; False when another gateway has just stored one of this number."""
    values = {
        "number": key.number,
        "kid": key.kid,
        "public_key": key.public_key,
        "encrypted_private_key": key.encrypted_private_key,
        "created_at": key.created_at,
    }
    cursor = await connection.execute(INSERT_KEY, values)
    return cursor.rowcount == 1


SELECT_PUBLIC_KEYS = """
SELECT k.kid, k.public_key
FROM signing_keys k
WHERE k.number = (SELECT max(number) FROM signing_keys)
   OR EXISTS (SELECT FROM issued_tokens t WHERE t.kid = k.kid AND t.expires_at > %(now)s)
ORDER BY k.number
"""


async def public_keys(connection: AsyncConnection, now: datetime) -> dict[str, bytes]:
    """Return, by key id, the key that signs now and those that signed a token which has not expired."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(SELECT_PUBLIC_KEYS, {"now": now})
        return {kid: bytes(public_key) async for kid, public_key in cursor}
