"""Create a user."""

from datetime import datetime

from services.gateway.domain.users import NewUser, User
from services.gateway.passwords import Passwords
from services.gateway.storage import users
from shared.audit_log.recording import record_action
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
        details = {"username": user.username, "role": user.role, "vendors": ",".join(map(str, user.vendor_ids))}
        if user.approval_limit is not None:
            details["approval_limit"] = str(user.approval_limit)
        await record_action(connection, now=now, actor=actor, action="create_user", target=user.subject, details=details)
        return user

    return await database.transact(work)
