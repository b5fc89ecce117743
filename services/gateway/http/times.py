"""Times in JSON: RFC 3339, written in UTC, with microseconds where there are any."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])", re.ASCII
)


def parse_time(text: str) -> Timestamp:
    """Read an RFC 3339 time with any offset and up to nine digits of a second. Raises ValueError for anything else, also a leap second."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, clock, fraction, offset = match.groups()
    zone = "+00:00" if offset in "Zz" else offset
    try:
        seconds = (datetime.fromisoformat(f"{day}T{clock}{zone}") - _EPOCH) // _SECOND
        Timestamp(seconds=seconds).ToDatetime()  # an offset can push the time out of the years 1 to 9999
    except OverflowError as error:
        raise ValueError(text) from error
    return Timestamp(seconds=seconds, nanos=int((fraction or "").ljust(9, "0")))


def format_time(time: Timestamp) -> str:
    """Write a time; parts of a microsecond are cut off."""
    microseconds = time.nanos // 1000
    return f"{_second(time.seconds)}.{microseconds:06d}Z" if microseconds else f"{_second(time.seconds)}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    """Write a whole second; the answers of a busy door are full of the same ones."""
    return (_EPOCH + timedelta(0, seconds)).isoformat()[:-6]
