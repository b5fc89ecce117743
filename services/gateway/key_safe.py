"""Private keys that sign users' tokens, encrypted wherever they are stored.

The database holds them encrypted by a key that is derived (HKDF, RFC 5869) from the secret in the settings: who reads the database or a
backup of it cannot sign.
"""

import base64
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.gateway.domain.signing_keys import SigningKey, key_id

# Names the purpose, so that another use of the same secret would get another key.
_PURPOSE = b"charging: signing keys of users' tokens, version 1"


class KeySafe:
    """Makes signing keys and opens stored ones; the last one opened is kept open, since every login needs it."""

    def __init__(self, secret: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))
        self._open: tuple[str, Ed25519PrivateKey] | None = None

    def make(self, number: int, now: datetime) -> SigningKey:
        """Return a new key, ready to be stored."""
        private_key = Ed25519PrivateKey.generate()
        public_key = private_key.public_key().public_bytes_raw()
        encrypted = self._fernet.encrypt(private_key.private_bytes_raw())
        return SigningKey(number, key_id(public_key), public_key, encrypted, now)

    def open(self, key: SigningKey) -> Ed25519PrivateKey:
        """Return the private key. Raises ValueError when it was encrypted with another secret."""
        if self._open is None or self._open[0] != key.kid:
            try:
                raw = self._fernet.decrypt(key.encrypted_private_key)
            except InvalidToken:
                message = f"signing key {key.kid} was encrypted with another CHARGING_KEY_ENCRYPTION_SECRET than the one that is set"
                raise ValueError(message) from None
            self._open = key.kid, Ed25519PrivateKey.from_private_bytes(raw)
        return self._open[1]
