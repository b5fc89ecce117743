"""The hash chain of a vendor's ledger, as the reference describes it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KINDS: Mapping[str, int] = {"credit": 1, "charge": 2, "reversal": 3}
"""What the chain calls the kinds of entries."""


def entry_hash(
    previous: bytes, vendor_id: int, seq: int, amount: int, balance_after: int, kind: int, reference: str, created_at: datetime
) -> bytes:
    """Return SHA-256 over the previous hash and the entry: these fields in decimal, time in microseconds since 1970, joined by `|`."""
    since = created_at - EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return sha256(previous + f"{vendor_id}|{seq}|{amount}|{balance_after}|{kind}|{reference}|{microseconds}".encode()).digest()
