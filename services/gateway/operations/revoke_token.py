"""Revoke a token for good."""

from datetime import datetime
from uuid import UUID

from services.gateway.storage import tokens
from shared.audit_log.recording import record_action
from shared.database import Connection, Database
from shared.errors import NotFound


async def revoke_token(database: Database, *, jti: UUID, now: datetime, actor: str) -> None:
    """Revoke the token; revoking again changes nothing. Raises NotFound for a token that was never issued: a slip must not look done."""

    async def work(connection: Connection) -> None:
        expires_at = await tokens.find_expiry(connection, jti)
        if expires_at is None:
            raise NotFound.of("token", jti, field="jti")
        if await tokens.insert_revoked_token(connection, jti, expires_at, revoked_at=now):
            await record_action(connection, now=now, actor=actor, action="revoke_token", target=f"token:{jti}")

    await database.transact(work)
