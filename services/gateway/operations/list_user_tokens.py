"""List the tokens of a user that are in force, a page at a time."""

from datetime import datetime
from uuid import UUID

from services.gateway.domain.tokens import OutstandingToken
from services.gateway.storage import tokens, users
from shared.database import Database
from shared.errors import NotFound


async def list_user_tokens(
    database: Database, user_id: int, *, now: datetime, before: tuple[datetime, UUID] | None, page_size: int
) -> tuple[list[OutstandingToken], bool]:
    """Return the tokens of a page, the newest first, and whether there are more. Raises NotFound.

    A disabled user has none: all of theirs were withdrawn together.
    """
    async with database.reading() as connection:
        user = await users.find_user(connection, user_id)
        if user is None:
            raise NotFound.of("user", user_id)
        if user.disabled:
            return [], False
        found = await tokens.list_in_force(connection, user_id, now=now, before=before, limit=page_size + 1)
    return found[:page_size], len(found) > page_size
