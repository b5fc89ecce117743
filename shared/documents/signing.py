"""Sign facts. `charging verify` of the command line reads them back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.documents.keys import key_id

STATEMENT = "charging-statement+jws"
RECEIPT = "charging-receipt+jws"

_ALGORITHM = "EdDSA"
_JWS = jwt.PyJWS(algorithms=[_ALGORITHM])


class DocumentSigner:
    """Signs with the key of this process's service.

    It is the service's peer key: whoever can speak for the service can sign for it. The two uses cannot be mistaken for each other: a
    document has a `typ` of its own and none of the claims without which a token is refused.
    """

    def __init__(self, keys_dir: Path, name: str) -> None:
        """Read `<name>.private.pem` of the folder. Raises OSError, and ValueError for a file that holds no Ed25519 key."""
        key = load_pem_private_key((keys_dir / f"{name}.private.pem").read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{name}.private.pem holds no Ed25519 private key")
        self._key = key
        self.kid = key_id(key.public_key().public_bytes_raw())

    def sign(self, typ: str, facts: Mapping[str, Any]) -> str:
        """Return the compact JWS over facts of plain JSON values: texts, integers and objects of them."""
        return _JWS.encode(canonical(facts), self._key, algorithm=_ALGORITHM, headers={"kid": self.kid, "typ": typ})


def canonical(facts: Mapping[str, Any]) -> bytes:
    """Return the bytes of facts that are signed: JSON in UTF-8, names sorted, no blanks."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
