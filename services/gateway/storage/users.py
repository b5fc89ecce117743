"""Table `users`."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row, tuple_row

from services.gateway.domain.users import NewUser, User
from shared.auth.tokens import user_subject

INSERT_USER = """
INSERT INTO users (
    username, password_hash, role, vendor_ids, limit_requests, limit_window_seconds, token_version, created_at, approval_limit
)
VALUES (
    %(username)s, %(password_hash)s, %(role)s, %(vendor_ids)s, %(limit_requests)s, %(limit_window_seconds)s, 1, %(created_at)s,
    %(approval_limit)s
)
ON CONFLICT (username) DO NOTHING
RETURNING id, username, role, vendor_ids, limit_requests, limit_window_seconds, token_version, created_at, disabled_at, approval_limit
"""


async def insert_user(connection: AsyncConnection, user: NewUser, password_hash: str, created_at: datetime) -> User | None:
    """Store a new user and return it; None when the name is taken."""
    limit = user.rate_limit
    values = {
        "username": user.username,
        "password_hash": password_hash,
        "role": user.role,
        "vendor_ids": user.vendor_ids,
        "limit_requests": limit and limit.requests,
        "limit_window_seconds": limit and limit.window_seconds,
        "created_at": created_at,
        "approval_limit": user.approval_limit,
    }
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(INSERT_USER, values)
        return await cursor.fetchone()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is checked against."""

    user_id: int
    password_hash: str
    disabled: bool


SELECT_CREDENTIALS = """
SELECT id AS user_id, password_hash, disabled_at IS NOT NULL AS disabled
FROM users
WHERE username = %(username)s
"""


async def find_credentials(connection: AsyncConnection, username: str) -> Credentials | None:
    """Return what a login of this user is checked against."""
    async with connection.cursor(row_factory=class_row(Credentials)) as cursor:
        await cursor.execute(SELECT_CREDENTIALS, {"username": username})
        return await cursor.fetchone()


SELECT_USER = """
SELECT id, username, role, vendor_ids, limit_requests, limit_window_seconds, token_version, created_at, disabled_at, approval_limit
FROM users
WHERE id = %(id)s
"""


async def find_user(connection: AsyncConnection, user_id: int) -> User | None:
    """Return the user with this id."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(SELECT_USER, {"id": user_id})
        return await cursor.fetchone()


SELECT_USERS = """
SELECT id, username, role, vendor_ids, limit_requests, limit_window_seconds, token_version, created_at, disabled_at, approval_limit
FROM users
WHERE id > %(after_id)s
ORDER BY id
LIMIT %(limit)s
"""


async def list_users(connection: AsyncConnection, after_id: int, limit: int) -> list[User]:
    """Return up to `limit` users in id order, from the first one after `after_id`."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(SELECT_USERS, {"after_id": after_id, "limit": limit})
        return await cursor.fetchall()


DISABLE_USER = """
UPDATE users
SET disabled_at = %(disabled_at)s, token_version = token_version + 1
WHERE id = %(id)s AND disabled_at IS NULL
RETURNING id, username, role, vendor_ids, limit_requests, limit_window_seconds, token_version, created_at, disabled_at, approval_limit
"""


async def disable_user(connection: AsyncConnection, user_id: int, disabled_at: datetime) -> User | None:
    """Disable the user and withdraw all their tokens; None when there is no such user that could still sign in."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(DISABLE_USER, {"id": user_id, "disabled_at": disabled_at})
        return await cursor.fetchone()


SELECT_VERSIONS = """
SELECT id, token_version
FROM users
WHERE token_version <> 1
"""


async def token_versions(connection: AsyncConnection) -> dict[str, int]:
    """Return the lowest token version accepted, by subject, where it is not 1."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(SELECT_VERSIONS)
        return {user_subject(user_id): version async for user_id, version in cursor}
