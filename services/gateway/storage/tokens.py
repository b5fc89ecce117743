"""Tables `issued_tokens` and `revoked_tokens`."""

from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, tuple_row

from services.gateway.domain.tokens import NewToken, OutstandingToken

INSERT_ISSUED = """
INSERT INTO issued_tokens (jti, user_id, kind, label, kid, issued_at, expires_at)
VALUES (%(jti)s, %(user_id)s, %(kind)s, %(label)s, %(kid)s, %(issued_at)s, %(expires_at)s)
"""


async def insert_issued_token(connection: AsyncConnection, token: NewToken, user_id: int, kid: str) -> None:
    """Record that a token is given out."""
    values = {
        "jti": token.jti,
        "user_id": user_id,
        "kind": token.kind,
        "label": token.label,
        "kid": kid,
        "issued_at": token.issued_at,
        "expires_at": token.expires_at,
    }
    await connection.execute(INSERT_ISSUED, values)


SELECT_EXPIRY = """
SELECT expires_at
FROM issued_tokens
WHERE jti = %(jti)s
"""


async def find_expiry(connection: AsyncConnection, jti: UUID) -> datetime | None:
    """Return when an issued token expires; None when no such token was issued."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(SELECT_EXPIRY, {"jti": jti})
        row = await cursor.fetchone()
        return row[0] if row else None


INSERT_REVOKED = """
INSERT INTO revoked_tokens (jti, expires_at, revoked_at)
VALUES (%(jti)s, %(expires_at)s, %(revoked_at)s)
ON CONFLICT (jti) DO NOTHING
"""


async def insert_revoked_token(connection: AsyncConnection, jti: UUID, expires_at: datetime, revoked_at: datetime) -> bool:
    """Record that a token is revoked; False when it was before."""
    cursor = await connection.execute(INSERT_REVOKED, {"jti": jti, "expires_at": expires_at, "revoked_at": revoked_at})
    return cursor.rowcount == 1


SELECT_REVOKED = """
SELECT jti, expires_at
FROM revoked_tokens
WHERE expires_at > %(now)s
"""


async def revoked_tokens(connection: AsyncConnection, now: datetime) -> dict[str, float]:
    """Return the expiry, in seconds since 1970, of every revoked token that has not expired, by its id."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(SELECT_REVOKED, {"now": now})
        return {str(jti): expires_at.timestamp() async for jti, expires_at in cursor}


LIST_IN_FORCE = """
SELECT jti, kind, label, issued_at, expires_at
FROM issued_tokens
WHERE user_id = %(user_id)s
  AND expires_at > %(now)s
  AND (%(issued_at)s::timestamptz IS NULL OR (issued_at, jti) < (%(issued_at)s, %(jti)s::uuid))
  AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE revoked_tokens.jti = issued_tokens.jti)
ORDER BY issued_at DESC, jti DESC
LIMIT %(limit)s
"""


async def list_in_force(
    connection: AsyncConnection, user_id: int, *, now: datetime, before: tuple[datetime, UUID] | None, limit: int
) -> list[OutstandingToken]:
    """Return tokens of a user that have neither expired nor been revoked, the newest first, older than `before`."""
    issued_at, jti = before or (None, None)
    values = {"user_id": user_id, "now": now, "issued_at": issued_at, "jti": jti, "limit": limit}
    async with connection.cursor(row_factory=class_row(OutstandingToken)) as cursor:
        await cursor.execute(LIST_IN_FORCE, values)
        return await cursor.fetchall()
