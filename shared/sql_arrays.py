"""Arrays as PostgreSQL reads them from text, for statements that carry thousands of values.

The driver's own list adapter looks at every element and takes 0.5 to 2.6 microseconds for each: for a charge, which is about forty of them,
a tenth of all work. These know what they hold. Each returns one parameter, to be cast in the statement: `%(ids)s::bigint[]`.
"""

from collections.abc import Iterable
from datetime import datetime

_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"'})


def int_array(values: Iterable[int]) -> str:
    """Return integers (int subclasses too) for a cast to `smallint[]` or `bigint[]`."""
    return "{" + ",".join([int.__repr__(value) for value in values]) + "}"


def nullable_int_array(values: Iterable[int | None]) -> str:
    """Return integers, or NULL for None."""
    return "{" + ",".join(["NULL" if value is None else int.__repr__(value) for value in values]) + "}"


def uuid_array(values: Iterable[str]) -> str:
    """Return UUIDs, given as text, for a cast to `uuid[]`. PostgreSQL refuses whatever is none."""
    return "{" + ",".join(values) + "}"


def text_array(values: Iterable[str]) -> str:
    """Return texts, of any characters but NUL, for a cast to `text[]`."""
    return "{" + ",".join([f'"{value.translate(_ESCAPED)}"' for value in values]) + "}"


def nullable_text_array(values: Iterable[str | None]) -> str:
    """Return texts, or NULL for None."""
    return "{" + ",".join(["NULL" if value is None else f'"{value.translate(_ESCAPED)}"' for value in values]) + "}"


def time_array(values: Iterable[datetime]) -> str:
    """Return aware times for a cast to `timestamptz[]`; a batch has few different ones, so each is written once."""
    written: dict[datetime, str] = {}
    texts = []
    for value in values:
        text = written.get(value)
        if text is None:
            text = written[value] = value.isoformat()
        texts.append(text)
    return "{" + ",".join(texts) + "}"


def bytes_array(values: Iterable[bytes]) -> str:
    """Return bytes for a cast to `bytea[]`."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"
