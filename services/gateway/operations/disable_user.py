"""Disable a user and every token they hold."""

from datetime import datetime

from services.gateway.domain.users import User
from services.gateway.storage import users
from shared.audit_log.recording import record_action
from shared.database import Connection, Database
from shared.errors import NotFound


async def disable_user(database: Database, *, user_id: int, now: datetime, actor: str) -> User:
    """Return the user as disabled; disabling again changes nothing. Raises NotFound."""

    async def work(connection: Connection) -> User:
        user = await users.disable_user(connection, user_id, disabled_at=now)
        if user is not None:
            await record_action(connection, now=now, actor=actor, action="disable_user", target=user.subject)
            return user
        known = await users.find_user(connection, user_id)
        if known is None:
            raise NotFound.of("user", user_id)
        return known

    return await database.transact(work)
