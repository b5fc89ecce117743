"""Read and write compact Ed25519 tokens (RFC 7519, RFC 8037), and nothing else about them.

Whatever is wrong with a token, the answer is one and the same error: a caller learns nothing from guessing.
"""

import re
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.errors import Unauthenticated

TOKEN_CHARACTERS_MAX = 4096
"""A token of a user with 100 vendors of the largest ids has about 2,900 characters."""

_COMPACT_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

# The algorithm is pinned here, never read from the token: `none` and the symmetric kinds have no way in.
_ALGORITHM = "EdDSA"

# `exp` is checked by our caller against the clock it was given, in the same way for a fresh and a remembered token. `iat` is for people:
# a signature by one of our own keys says more than a clock that may be a second behind.
_OPTIONS: Any = {"verify_exp": False, "verify_iat": False, "require": ["sub", "exp", "iat", "jti"]}

# What the reader raises for a text that is no token: its own errors, and those of the JSON and number parsing beneath it.
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError, OverflowError)


def refused() -> Unauthenticated:
    """Return the one answer to a token that is missing, malformed, forged, expired or revoked."""
    return Unauthenticated("the token is missing, wrong, expired or revoked")


def sign(claims: Mapping[str, Any], kid: str, private_key: Ed25519PrivateKey) -> str:
    """Return the claims as a token signed by the key that `kid` names."""
    return jwt.encode(dict(claims), private_key, algorithm=_ALGORITHM, headers={"kid": kid})


def key_id_of(token: str) -> str:
    """Return the key id that a token claims to be signed by. Nothing is verified yet. Raises Unauthenticated for what is no token."""
    # The strict form matters: base64 readers skip foreign characters, and one token would have many spellings.
    if len(token) > TOKEN_CHARACTERS_MAX or _COMPACT_FORM.fullmatch(token) is None:
        raise refused()
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except _UNREADABLE:
        raise refused() from None
    if not isinstance(kid, str):
        raise refused()
    return kid


def verified_claims(token: str, public_key: Ed25519PublicKey, audience: str | None = None) -> dict[str, Any]:
    """Return the claims of a token that the key signed, made for `audience` or, with None, for no audience in particular.

    The caller checks `exp`. Raises Unauthenticated.
    """
    try:
        claims: dict[str, Any] = jwt.decode(token, public_key, algorithms=[_ALGORITHM], audience=audience, options=_OPTIONS)
    except _UNREADABLE:
        raise refused() from None
    return claims
