"""Exchange a user name and a password for a token."""

from services.gateway.domain.tokens import IssuedToken, NewToken
from services.gateway.domain.users import PASSWORD_CHARACTERS_MAX, USERNAME_CHARACTERS_MAX, plausible_username
from services.gateway.key_safe import KeySafe
from services.gateway.operations.issue_token import issue_token
from services.gateway.passwords import Passwords
from services.gateway.storage import users
from shared.database import Connection, Database
from shared.errors import InvalidArgument, Unauthenticated


async def create_token(
    database: Database, passwords: Passwords, key_safe: KeySafe, *, username: str, password: str, token: NewToken
) -> IssuedToken:
    """Return a token for the user.

    An unknown user, a wrong password and a disabled user get the same answer after the same work: one look-up and one hash. The hash is
    computed outside of any transaction, for it takes longer than all the rest.

    Raises Unauthenticated (WRONG_CREDENTIALS), InvalidArgument for a field that is absent or too long, Overloaded.
    """
    _check_length("username", username, USERNAME_CHARACTERS_MAX)
    _check_length("password", password, PASSWORD_CHARACTERS_MAX)
    # A name that no user can have is looked up all the same, as the empty name, which nobody has: an odd name takes no shorter.
    async with database.reading() as connection:
        credentials = await users.find_credentials(connection, username if plausible_username(username) else "")
    right = await passwords.matches(credentials.password_hash if credentials else None, password)
    if not right or credentials is None or credentials.disabled:
        raise _wrong()
    user_id = credentials.user_id

    async def work(connection: Connection) -> IssuedToken:
        user = await users.find_user(connection, user_id)
        if user is None or user.disabled:  # Disabled while the password was being checked.
            raise _wrong()
        return await issue_token(connection, key_safe, token, user)

    return await database.transact(work)


def _check_length(field: str, value: str, longest: int) -> None:
    if not 1 <= len(value) <= longest:
        raise InvalidArgument.of_field(field, f"must have 1 to {longest} characters")


def _wrong() -> Unauthenticated:
    return Unauthenticated("the user name or the password is wrong", reason="WRONG_CREDENTIALS")
