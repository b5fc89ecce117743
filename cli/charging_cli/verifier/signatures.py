"""Read facts back from a signature: a compact JWS (RFC 7515) by EdDSA with Ed25519 (RFC 8037)."""

import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

STATEMENT = "charging-statement+jws"
RECEIPT = "charging-receipt+jws"

_ALGORITHM = "EdDSA"
_JWS = jwt.PyJWS(algorithms=[_ALGORITHM])


class ForgedError(Exception):
    """A signature that does not hold, or that is none."""


def typ_of(signature: str) -> str:
    """Return what kind of document a signature says that it is for; nothing is verified yet. Raises ForgedError."""
    return str(_header(signature).get("typ"))


def signed_facts(signature: str, typ: str, keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    """Return the facts under a signature that one of the keys, by key id, made for this kind of document. Raises ForgedError."""
    header = _header(signature)
    if header.get("typ") != typ:
        raise ForgedError(f"the signature is for {header.get('typ')}, not for {typ}")
    kid = str(header.get("kid"))
    if kid not in keys:
        raise ForgedError(f"the signature is by key {kid}, which is not among the given keys")
    try:
        facts = json.loads(_JWS.decode(signature, keys[kid], algorithms=[_ALGORITHM]))
    except (jwt.PyJWTError, ValueError):
        raise ForgedError(f"the signature is not that of key {kid}") from None
    if not isinstance(facts, dict):
        raise ForgedError("what is signed is no object")
    return facts


def _header(signature: str) -> dict[str, Any]:
    try:
        return dict(_JWS.get_unverified_header(signature))
    except (jwt.PyJWTError, ValueError, TypeError):
        raise ForgedError("the signature is no compact JWS") from None
