"""Which of the forms of an answer a client wants (RFC 9110, 12.5.1)."""

import re
from collections.abc import Sequence

_RANGE = re.compile(r"\s*([a-z0-9!#$&^_.+-]+|\*)/([a-z0-9!#$&^_.+-]+|\*)\s*((?:;[^,]*)?)", re.IGNORECASE)
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|\Z)", re.IGNORECASE)


def preferred_type(accept: str, offered: Sequence[str]) -> str:
    """Return the media type that the Accept header likes best among those offered, the first of them where it likes several alike.

    A header that likes none of them, or cannot be read, gets the first one: an answer is better than 406.
    """
    ranges = [_read(part) for part in accept.lower().split(",")]
    known = [each for each in ranges if each is not None]
    qualities = [_quality(known, media_type) for media_type in offered]
    best = max(qualities)
    return offered[qualities.index(best)] if best > 0 else offered[0]


def _read(part: str) -> tuple[str, str, float] | None:
    match = _RANGE.fullmatch(part)
    if match is None:
        return None
    quality = _QUALITY.search(match[3])
    return match[1], match[2], float(quality[1]) if quality else 1.0


def _quality(ranges: Sequence[tuple[str, str, float]], media_type: str) -> float:
    """Return the quality of the most specific range that covers the type."""
    main, _, sub = media_type.partition("/")
    for wanted in ((main, sub), (main, "*"), ("*", "*")):
        found = [quality for range_main, range_sub, quality in ranges if (range_main, range_sub) == wanted]
        if found:
            return max(found)
    return 0.0
