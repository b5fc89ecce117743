"""The keys that sign users' tokens."""

import hashlib
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key as stored: the raw public key, and the raw private key encrypted. The one with the highest number signs."""

    number: int
    kid: str
    public_key: bytes
    encrypted_private_key: bytes
    created_at: datetime


def key_id(public_key: bytes) -> str:
    """Return the key id of a raw public key: a fingerprint, so that two databases never give one name to two keys."""
    return hashlib.sha256(public_key).hexdigest()[:16]
