"""Revoke a token for good."""

from datetime import datetime
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from services.gateway.storage import operator_log, tokens
from shared.errors import NotFound


async def revoke_token(pool: AsyncConnectionPool, *, jti: UUID, now: datetime, actor: str) -> None:
    """Revoke the token; revoking again changes nothing. Raises NotFound for a token that was never issued: a slip must not look done."""
    async with pool.connection() as connection, connection.transaction():
        expires_at = await tokens.find_expiry(connection, jti)
        if expires_at is None:
            raise NotFound.of("token", jti, field="jti")
        if await tokens.insert_revoked_token(connection, jti, expires_at, revoked_at=now):
            await operator_log.log_action(connection, done_at=now, actor=actor, action="revoke_token", subject=f"token:{jti}")
