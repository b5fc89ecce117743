"""What a user is, and what makes a new one acceptable."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.auth.tokens import USER_ROLES, user_subject
from shared.errors import InvalidArgument
from shared.principal import RateLimit, Role

USERNAME_CHARACTERS_MAX = 150
PASSWORD_CHARACTERS_MIN = 8
PASSWORD_CHARACTERS_MAX = 1000
"""Hashing cost grows with the length, so it has an end."""
VENDORS_MAX = 100
"""All of them travel in every token."""
VENDOR_ID_MAX = 2**53 - 1
LIMIT_REQUESTS_MAX = 1_000_000_000
LIMIT_WINDOW_SECONDS_MAX = 86_400
APPROVAL_LIMIT_MAX = 10**12
"""The largest amount that a credit request may have."""

_USERNAME = re.compile(r"[A-Za-z0-9.@_-]+")


@dataclass(frozen=True, slots=True)
class User:
    """A user as stored. `role` is `operator`, `partner` or `service`.

    `approval_limit`, of operators only, is the largest credit request they may approve, in minor units; None for any.
    """

    id: int
    username: str
    role: str
    vendor_ids: list[int]
    limit_requests: int | None
    limit_window_seconds: int | None
    token_version: int
    created_at: datetime
    disabled_at: datetime | None
    approval_limit: int | None

    @property
    def subject(self) -> str:
        """Return the subject of the user's tokens."""
        return user_subject(self.id)

    @property
    def disabled(self) -> bool:
        """Tell whether the user may no longer sign in."""
        return self.disabled_at is not None

    @property
    def rate_limit(self) -> RateLimit | None:
        """Return the contracted limit, if there is one."""
        if self.limit_requests is None or self.limit_window_seconds is None:
            return None
        return RateLimit(self.limit_requests, self.limit_window_seconds)


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be created; `vendor_ids` are sorted and each is there once."""

    username: str
    role: str
    vendor_ids: list[int]
    rate_limit: RateLimit | None
    approval_limit: int | None = None


def checked_new_user(
    username: str, role: int, vendor_ids: Sequence[int], rate_limit: RateLimit | None, approval_limit: int | None = None
) -> NewUser:
    """Return the user to create. Raises InvalidArgument naming the first bad field."""
    if not plausible_username(username):
        raise InvalidArgument.of_field("username", f"must be 1 to {USERNAME_CHARACTERS_MAX} letters, digits and any of . @ _ -")
    names = {int(role): name for name, role in USER_ROLES.items()}
    if role not in names:
        raise InvalidArgument.of_field("role", f"must be one of {', '.join(names.values())}")
    if role == Role.OPERATOR and vendor_ids:
        raise InvalidArgument.of_field("vendor_ids", "must be empty: an operator owns no vendors")
    if len(vendor_ids) > VENDORS_MAX:
        raise InvalidArgument.of_field("vendor_ids", f"must name at most {VENDORS_MAX} vendors")
    for index, vendor_id in enumerate(vendor_ids):
        if not 1 <= vendor_id <= VENDOR_ID_MAX:
            raise InvalidArgument.of_field(f"vendor_ids[{index}]", f"must be 1 to {VENDOR_ID_MAX}")
    if approval_limit is not None and role != Role.OPERATOR:
        raise InvalidArgument.of_field("approval_limit", "must be absent: only an operator approves")
    if approval_limit is not None and not 0 <= approval_limit <= APPROVAL_LIMIT_MAX:
        raise InvalidArgument.of_field("approval_limit", f"must be 0 to {APPROVAL_LIMIT_MAX}")
    return NewUser(username, names[role], sorted(set(vendor_ids)), checked_rate_limit(rate_limit), approval_limit)


def plausible_username(username: str) -> bool:
    """Tell whether a user of this name can exist at all."""
    return len(username) <= USERNAME_CHARACTERS_MAX and _USERNAME.fullmatch(username) is not None


def check_new_password(password: str) -> None:
    """Raise InvalidArgument for a password that is too short or too long."""
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise InvalidArgument.of_field("password", f"must have {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters")


def checked_rate_limit(limit: RateLimit | None) -> RateLimit | None:
    """Return the contracted limit. Raises InvalidArgument for one out of bounds."""
    if limit is None:
        return None
    if not 1 <= limit.requests <= LIMIT_REQUESTS_MAX:
        raise InvalidArgument.of_field("rate_limit.requests", f"must be 1 to {LIMIT_REQUESTS_MAX}")
    if not 1 <= limit.window_seconds <= LIMIT_WINDOW_SECONDS_MAX:
        raise InvalidArgument.of_field("rate_limit.window_seconds", f"must be 1 to {LIMIT_WINDOW_SECONDS_MAX}")
    return limit
