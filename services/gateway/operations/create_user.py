"""Create a user."""

from datetime import datetime

from services.gateway.domain.users import NewUser, User
from services.gateway.passwords import Passwords
from services.gateway.storage import operator_log, users
from shared.database import Connection, Database
from shared.errors import AlreadyExists, FieldViolation


async def create_user(database: Database, passwords: Passwords, *, new_user: NewUser, password: str, now: datetime, actor: str) -> User:
    """Return the new user. Raises AlreadyExists (USERNAME_TAKEN), Overloaded."""
    password_hash = await passwords.hash(password)

    async def work(connection: Connection) -> User:
        user = await users.insert_user(connection, new_user, password_hash, created_at=now)
        if user is None:
            message = f"there is a user named {new_user.username}"
            metadata, violation = {"username": new_user.username}, FieldViolation("username", message)
            raise AlreadyExists(message, reason="USERNAME_TAKEN", metadata=metadata, violations=[violation])
        await operator_log.log_action(connection, done_at=now, actor=actor, action="create_user", subject=user.subject)
        return user

    return await database.transact(work)
