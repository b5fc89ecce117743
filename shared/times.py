"""Times between Python and protobuf."""

from datetime import UTC, datetime, timedelta
from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@overload
def to_timestamp(moment: datetime) -> Timestamp: ...


@overload
def to_timestamp(moment: datetime | None) -> Timestamp | None: ...


def to_timestamp(moment: datetime | None) -> Timestamp | None:
    """Return the protobuf form of an aware time; None stays None, which leaves a message field unset."""
    if moment is None:
        return None
    delta = moment - EPOCH
    return Timestamp(seconds=delta.days * 86_400 + delta.seconds, nanos=delta.microseconds * 1_000)


def from_timestamp(value: Timestamp) -> datetime:
    """Return the time in UTC, cut to microseconds, which is what PostgreSQL keeps."""
    return EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1_000)


def rfc3339(moment: datetime) -> str:
    """Return a time in UTC as JSON shows it: RFC 3339 with a `Z`, and microseconds where there are any."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
