"""The tokens of users: which claims they carry, and who the bearer of one is.

    header  {"alg": "EdDSA", "kid": "<key id>"}
    claims  {"sub": "user:7", "ver": 1, "role": "partner", "vendors": [1, 2], "limit": {"requests": 100, "window": 60},
             "iat": 1767225600, "exp": 1767268800, "jti": "<uuid>", "kind": "login"}

`kind` is `login` for a person's token and `api` for a long-lived one of a system; `limit` is absent without a contract, `approve`, an
operator's approval limit in minor units, without such a limit.
"""

import re
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.auth.signed_token import refused, verified_claims
from shared.auth.trust_state import TrustState
from shared.principal import Principal, RateLimit, Role

USER_ROLES: Mapping[str, Role] = {"operator": Role.OPERATOR, "partner": Role.PARTNER, "service": Role.SERVICE}
"""The roles a user may have. There is no `peer`: that role comes from a peer's own key alone, whatever a user's token says."""

_SUBJECT = re.compile(r"user:[1-9][0-9]{0,18}")


def user_subject(user_id: int) -> str:
    """Return the subject that names a user."""
    return f"user:{user_id}"


def claims_of(principal: Principal, issued_at: int) -> dict[str, Any]:
    """Return the claims of a user's token. `issued_at` is in seconds since 1970."""
    claims: dict[str, Any] = {
        "sub": principal.subject,
        "ver": principal.token_version,
        "role": principal.role.name.lower(),
        "vendors": sorted(principal.vendors),
        "iat": issued_at,
        "exp": int(principal.expires_at),
        "jti": principal.token_id,
        "kind": "api" if principal.long_lived else "login",
    }
    if principal.rate_limit is not None:
        claims["limit"] = {"requests": principal.rate_limit.requests, "window": principal.rate_limit.window_seconds}
    if principal.approval_limit is not None:
        claims["approve"] = principal.approval_limit
    return claims


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """Return the principal that verified claims describe. Raises Unauthenticated for claims that no gateway of ours writes."""
    try:
        subject, kind, limit, approve = claims["sub"], claims["kind"], claims.get("limit"), claims.get("approve")
        if _SUBJECT.fullmatch(subject) is None or kind not in {"login", "api"}:
            raise refused()
        return Principal(
            subject=subject,
            role=USER_ROLES[claims["role"]],
            vendors=frozenset(_integer(vendor) for vendor in claims["vendors"]),
            token_id=claims["jti"],
            expires_at=float(_integer(claims["exp"])),
            token_version=_integer(claims["ver"]),
            long_lived=kind == "api",
            rate_limit=None if limit is None else RateLimit(_integer(limit["requests"]), _integer(limit["window"])),
            approval_limit=None if approve is None else _integer(approve),
        )
    except (KeyError, TypeError, ValueError):
        raise refused() from None


def verify_user_token(token: str, public_key: Ed25519PublicKey) -> Principal:
    """Return the bearer of a token that the key signed. Whether it has expired or was revoked is not asked here. Raises Unauthenticated."""
    return principal_of(verified_claims(token, public_key))


def in_force(principal: Principal, state: TrustState) -> bool:
    """Tell whether a user's token is neither revoked nor of a version that was withdrawn."""
    return principal.token_id not in state.revoked and principal.token_version >= state.versions.get(principal.subject, 1)


def _integer(value: object) -> int:
    if type(value) is not int:
        raise TypeError("not an integer")
    return value
