"""List users, a page at a time."""

from services.gateway.domain.users import User
from services.gateway.storage import users
from shared.database import Database


async def list_users(database: Database, *, after_id: int, page_size: int) -> tuple[list[User], bool]:
    """Return the users of a page in id order, from the first one after `after_id`, and whether there are more."""
    async with database.reading() as connection:
        found = await users.list_users(connection, after_id, limit=page_size + 1)
    return found[:page_size], len(found) > page_size
