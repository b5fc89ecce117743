"""Sign with a new key from now on."""

from datetime import datetime

from services.gateway.domain.signing_keys import SigningKey
from services.gateway.key_safe import KeySafe
from services.gateway.storage import signing_keys
from shared.audit_log.recording import record_action
from shared.database import Connection, Database
from shared.errors import Conflict

ATTEMPTS_MAX = 5
"""Each lost attempt means that somebody else has just rotated; five in a row is no accident."""


async def rotate_signing_key(database: Database, key_safe: KeySafe, *, now: datetime, actor: str) -> str:
    """Return the key id of the new key. Tokens by older keys stay valid until they expire. Raises Conflict (KEY_ROTATION_BUSY)."""

    async def work(connection: Connection) -> str | None:
        newest = await signing_keys.find_newest_key(connection)
        return await _add_key(connection, key_safe, newest.number + 1 if newest else 1, now, actor)

    for _ in range(ATTEMPTS_MAX):
        kid = await database.transact(work)
        if kid is not None:
            return kid
    raise Conflict("too many rotations at once", reason="KEY_ROTATION_BUSY", retry_after_seconds=1.0)


async def ensure_signing_key(database: Database, key_safe: KeySafe, *, now: datetime, actor: str) -> None:
    """Make the first signing key, whichever of several starting gateways comes first, and check that the newest can be opened.

    Raises ValueError when it was encrypted with another secret.
    """

    async def work(connection: Connection) -> SigningKey:
        if await signing_keys.find_newest_key(connection) is None:
            await _add_key(connection, key_safe, 1, now, actor)
        newest = await signing_keys.find_newest_key(connection)
        if newest is None:
            raise RuntimeError("the first signing key was stored and is gone")
        return newest

    key_safe.open(await database.transact(work))


async def _add_key(connection: Connection, key_safe: KeySafe, number: int, now: datetime, actor: str) -> str | None:
    """Store a new key of this number and return its id; None when somebody else has just stored that number."""
    key = key_safe.make(number, now)
    if not await signing_keys.insert_key(connection, key):
        return None
    await record_action(connection, now=now, actor=actor, action="rotate_signing_key", target=f"key:{key.kid}")
    return key.kid
