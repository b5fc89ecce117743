"""Public keys of documents, as JSON Web Keys (RFC 7517, RFC 8037)."""

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def read_key_set(path: Path) -> Mapping[str, Ed25519PublicKey]:
    """Return the keys of a JSON Web Key Set by key id; keys of other kinds are left out. Raises OSError, ValueError."""
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))["keys"]
        mine = [key for key in keys if (key["kty"], key["crv"]) == ("OKP", "Ed25519")]
        raw = [base64.b64decode(key["x"] + "=" * (-len(key["x"]) % 4), altchars=b"-_", validate=True) for key in mine]
        return {key["kid"]: Ed25519PublicKey.from_public_bytes(content) for key, content in zip(mine, raw, strict=True)}
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ValueError(f"{path} is no JSON Web Key Set") from error
