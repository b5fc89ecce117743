"""Page tokens: where the next page of a list begins, as a text that callers hand back unread.

A list is ordered by a unique key (keyset pagination), and the token holds the key of the last item shown. It grants nothing: whoever
makes one up only moves within what they may see anyway.
"""

import base64
import binascii
import json

from shared.errors import InvalidArgument

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200
"""Bounds what one answer costs."""

_INT64_MAX = 2**63 - 1


def page_size_of(requested: int) -> int:
    """Return the number of items to show; 0 asks for the default. Raises InvalidArgument."""
    if not 0 <= requested <= PAGE_SIZE_MAX:
        raise InvalidArgument.of_field("page_size", f"must be 0 to {PAGE_SIZE_MAX}")
    return requested or PAGE_SIZE_DEFAULT


def encode_page_token(*key: int | str) -> str:
    """Return the token for the page after the item with this key."""
    text = json.dumps(key, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_page_token(token: str, *kinds: type[int] | type[str]) -> tuple[int | str, ...] | None:
    """Return the key in a token, one value of each kind; None for an empty token, which is the first page. Raises InvalidArgument."""
    if not token:
        return None
    try:
        key = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _not_ours() from None
    if not isinstance(key, list) or len(key) != len(kinds) or not all(_fits(value, kind) for value, kind in zip(key, kinds, strict=True)):
        raise _not_ours()
    return tuple(key)


def _fits(value: object, kind: type) -> bool:
    if type(value) is not kind:
        return False
    return abs(value) <= _INT64_MAX if isinstance(value, int) else "\x00" not in str(value)  # what PostgreSQL can hold


def _not_ours() -> InvalidArgument:
    return InvalidArgument.of_field("page_token", "is not a token that was given out")
