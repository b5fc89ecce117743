"""Who makes a call."""

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a principal is; the numbers of charging.options.v1.Role."""

    OPERATOR = 1
    PARTNER = 2
    SERVICE = 3
    PEER = 4


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A contracted limit: `requests` units in every `window_seconds`, spread by the generic cell rate algorithm."""

    requests: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Principal:
    """The verified caller.

    `subject` is `user:<id>` or `peer:<name>`; `vendors` are the ids a partner or service owns; `token_id` is the token's `jti`;
    `long_lived` is true for API tokens; `expires_at` is in seconds since 1970; `approval_limit` is the largest credit request that an
    operator may approve, in minor units, None for any.
    """

    subject: str
    role: Role
    vendors: frozenset[int]
    token_id: str
    expires_at: float
    token_version: int = 1
    long_lived: bool = False
    rate_limit: RateLimit | None = None
    approval_limit: int | None = None

    def owns(self, vendor_id: int) -> bool:
        """Tell whether the caller may see and move what belongs to the vendor."""
        return self.role in (Role.OPERATOR, Role.PEER) or vendor_id in self.vendors

    @property
    def logged_as(self) -> str | None:
        """Return the actor that the audit log names for what the caller does, or None: others' doings are told by their own rows."""
        return self.subject if self.role is Role.OPERATOR else None

    @property
    def visible_vendors(self) -> list[int] | None:
        """Return the sorted ids the caller is confined to, or None for a caller that sees every vendor."""
        return None if self.role in (Role.OPERATOR, Role.PEER) else sorted(self.vendors)
