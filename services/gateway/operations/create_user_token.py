"""Make a long-lived token for a user's system."""

from services.gateway.domain.tokens import IssuedToken, NewToken
from services.gateway.key_safe import KeySafe
from services.gateway.operations.issue_token import issue_token
from services.gateway.storage import users
from shared.audit_log.recording import record_action
from shared.database import Connection, Database
from shared.errors import FailedPrecondition, NotFound


async def create_user_token(database: Database, key_safe: KeySafe, *, user_id: int, token: NewToken, actor: str) -> IssuedToken:
    """Return a token for the user's system. Raises NotFound, FailedPrecondition (USER_DISABLED)."""

    async def work(connection: Connection) -> IssuedToken:
        user = await users.find_user(connection, user_id)
        if user is None:
            raise NotFound.of("user", user_id)
        if user.disabled:
            raise FailedPrecondition(f"user {user_id} is disabled", reason="USER_DISABLED", metadata={"id": str(user_id)})
        # A user who is disabled at this very moment gets a token of the version that is withdrawn with them.
        issued = await issue_token(connection, key_safe, token, user)
        details = {"jti": token.jti, "label": token.label, "expires_at": token.expires_at.isoformat()}
        await record_action(connection, now=token.issued_at, actor=actor, action="create_user_token", target=user.subject, details=details)
        return issued

    return await database.transact(work)
