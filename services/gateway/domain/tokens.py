"""What a new token says, and how long it lives."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.gateway.domain.users import User
from shared.auth.tokens import USER_ROLES
from shared.errors import InvalidArgument
from shared.principal import Principal, RateLimit

LABEL_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to be issued: its id, whether it is long-lived, and its whole-second life. `rate_limit` takes the place of the user's."""

    jti: UUID
    long_lived: bool
    issued_at: datetime
    expires_at: datetime
    label: str = ""
    rate_limit: RateLimit | None = None

    @property
    def kind(self) -> str:
        """Return `api` for a long-lived token and `login` for a person's."""
        return "api" if self.long_lived else "login"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that is given out now and never shown again."""

    token: str
    facts: NewToken


@dataclass(frozen=True, slots=True)
class OutstandingToken:
    """What is known of a token that was given out: all but the token. `kind` is `login` or `api`."""

    jti: UUID
    kind: str
    label: str
    issued_at: datetime
    expires_at: datetime


def login_token(jti: UUID, now: datetime, life: timedelta) -> NewToken:
    """Return the token of a person who signs in now."""
    issued_at = now.replace(microsecond=0)
    return NewToken(jti=jti, long_lived=False, issued_at=issued_at, expires_at=issued_at + life)


def api_token(
    jti: UUID, now: datetime, longest_life: timedelta, *, expires_at: datetime | None, label: str, rate_limit: RateLimit | None
) -> NewToken:
    """Return the token of a user's system; without `expires_at` it lives as long as any may. Raises InvalidArgument."""
    issued_at = now.replace(microsecond=0)
    latest = issued_at + longest_life
    ends_at = latest if expires_at is None else expires_at.replace(microsecond=0)
    if not issued_at < ends_at <= latest:
        raise InvalidArgument.of_field("expires_at", f"must be in the future and at most {longest_life.days} days from now")
    if not 1 <= len(label.strip()) <= len(label) <= LABEL_CHARACTERS_MAX or "\x00" in label:
        raise InvalidArgument.of_field("label", f"must have 1 to {LABEL_CHARACTERS_MAX} characters")
    return NewToken(jti=jti, long_lived=True, issued_at=issued_at, expires_at=ends_at, label=label, rate_limit=rate_limit)


def bearer_of(token: NewToken, user: User) -> Principal:
    """Return the principal whom the token makes of its bearer."""
    return Principal(
        subject=user.subject,
        role=USER_ROLES[user.role],
        vendors=frozenset(user.vendor_ids),
        token_id=str(token.jti),
        expires_at=token.expires_at.timestamp(),
        token_version=user.token_version,
        long_lived=token.long_lived,
        rate_limit=token.rate_limit or user.rate_limit,
        approval_limit=user.approval_limit,
    )
