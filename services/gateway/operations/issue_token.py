"""Give a token to a user: the one place where tokens are signed."""

from psycopg import AsyncConnection

from services.gateway.domain.tokens import IssuedToken, NewToken, bearer_of
from services.gateway.domain.users import User
from services.gateway.key_safe import KeySafe
from services.gateway.storage import signing_keys, tokens
from shared.auth.signed_token import sign
from shared.auth.tokens import claims_of


async def issue_token(connection: AsyncConnection, key_safe: KeySafe, token: NewToken, user: User) -> IssuedToken:
    """Record the token in the caller's transaction and return it signed. It is nobody's until that transaction has committed.

    Raises RuntimeError when there is no signing key: the first start makes one.
    """
    key = await signing_keys.find_newest_key(connection)
    if key is None:
        raise RuntimeError("there is no signing key")
    private_key = key_safe.open(key)
    await tokens.insert_issued_token(connection, token, user.id, key.kid)
    claims = claims_of(bearer_of(token, user), issued_at=int(token.issued_at.timestamp()))
    return IssuedToken(token=sign(claims, kid=key.kid, private_key=private_key), facts=token)
