"""The hash chain of a vendor's ledger: what makes one entry stand for all before it."""

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

GENESIS_HASH = bytes(32)
"""What the first entry of every vendor is chained to."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def entry_hash(
    previous: bytes, vendor_id: int, seq: int, amount: int, balance_after: int, kind: int, reference: str, created_at: datetime
) -> bytes:
    """Return SHA-256 over the previous hash and the canonical form of an entry.

    Canonical: the fields in this order, in decimal, time in microseconds since 1970 UTC, joined by `|`.
    """
    canonical = f"{vendor_id}|{seq}|{amount}|{balance_after}|{int(kind)}|{reference}|{microseconds(created_at)}"
    return sha256(previous + canonical.encode()).digest()


@lru_cache(maxsize=256)
def microseconds(moment: datetime) -> int:
    """Return the exact number of microseconds since 1970. The entries of a batch share a few moments, so those of late are remembered."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
