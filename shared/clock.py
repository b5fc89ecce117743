"""The time of day, in one place."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time in UTC, to the microsecond."""
    return datetime.now(UTC)
