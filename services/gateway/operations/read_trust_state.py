"""Read what a process needs to verify tokens by itself."""

from datetime import datetime

from services.gateway.storage import signing_keys, tokens, users
from shared.auth.trust_state import TrustState
from shared.database import Database


async def read_trust_state(database: Database, *, now: datetime) -> TrustState:
    """Return the trust state: straight from the tables, since another gateway may have changed it.

    The three reads need no common snapshot, for each fact stands alone and none is ever taken back.
    """
    async with database.reading() as connection:
        return TrustState(
            keys=await signing_keys.public_keys(connection, now),
            revoked=await tokens.revoked_tokens(connection, now),
            versions=await users.token_versions(connection),
        )
