"""Secrets and signatures by the Standard Webhooks specification (standardwebhooks.com).

A message is signed by HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`. Secrets are shown as `whsec_` and base64.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES = 32
"""The specification asks for 24 to 64."""

PREFIX = "whsec_"

# Names the purpose, so that another use of the same secret would get another key.
_PURPOSE = b"charging: webhook secrets, version 1"


class SecretSafe:
    """Makes secrets, and keeps them encrypted: who reads the database or a backup of it cannot sign."""

    def __init__(self, setting: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(setting.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def make(self) -> tuple[str, bytes]:
        """Return a new secret as it is shown, once, and as it is stored."""
        raw = secrets.token_bytes(SECRET_BYTES)
        return PREFIX + base64.b64encode(raw).decode(), self._fernet.encrypt(raw)

    def open(self, stored: bytes) -> bytes:
        """Return the raw secret. Raises ValueError when it was encrypted with another setting."""
        try:
            return self._fernet.decrypt(stored)
        except InvalidToken:
            message = "a webhook secret was encrypted with another CHARGING_WEBHOOK_ENCRYPTION_SECRET than the one that is set"
            raise ValueError(message) from None


def signed_headers(raw_secrets: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message, with one signature for each secret in force; `timestamp` in seconds since 1970."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(raw, content, "sha256")).decode() for raw in raw_secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        "content-type": "application/json",
        "user-agent": "charging-webhooks/1",
    }
