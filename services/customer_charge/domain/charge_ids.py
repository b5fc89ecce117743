"""The order of charge ids: UUIDs of version 7, which begin with the millisecond they were made in (RFC 9562, 5.7)."""

from datetime import UTC, datetime, timedelta

FIRST_ID = "00000000-0000-0000-0000-000000000000"
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_id_at(moment: datetime) -> str:
    """Return the smallest id of a moment: every id made before it is smaller."""
    return _text(((moment - _EPOCH) // timedelta(milliseconds=1)) << 80)


def id_before(charge_id: str) -> str:
    """Return the id right below one."""
    return _text(max(int(charge_id.replace("-", ""), 16) - 1, 0))


def _text(number: int) -> str:
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
