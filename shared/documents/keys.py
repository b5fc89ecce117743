"""Public keys of documents, as JSON Web Keys (RFC 7517, RFC 8037)."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

ISSUERS = ("customer_charge", "vendor_credit")
"""The services that sign documents, each with its own key."""

RETIRED_SUFFIX = ".retired.pem"
"""`<service>.<anything>.retired.pem` in the keys folder is a public key that signed documents before the present one."""


def key_id(public_key: bytes) -> str:
    """Return the key id of a raw public key: a fingerprint, so that no two keys share a name."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def document_keys(keys_dir: Path, issuers: Sequence[str] = ISSUERS) -> list[tuple[str, bytes]]:
    """Return issuer and raw public key of every key that signs or signed documents. Raises OSError, ValueError naming a bad file."""
    found = []
    for issuer in issuers:
        for path in [keys_dir / f"{issuer}.public.pem", *sorted(keys_dir.glob(f"{issuer}.*{RETIRED_SUFFIX}"))]:
            key = load_pem_public_key(path.read_bytes())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError(f"{path} holds no Ed25519 public key")
            found.append((issuer, key.public_bytes_raw()))
    return found


def encode_key(public_key: bytes) -> str:
    """Return a raw public key as a JSON Web Key holds it."""
    return base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()
