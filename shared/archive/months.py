"""Calendar months in UTC: what an archive is divided by."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

GRACE = timedelta(hours=1)
"""How long after its end a month may be archived: by then no clock that is of use to anybody still shows it."""


class Month(NamedTuple):
    """One month; they sort in order of time."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the month written as `2026-01`. Raises ValueError."""
        moment = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        month = cls(moment.year, moment.month)
        if str(month) != text:
            raise ValueError(f"{text} is not a month such as 2026-01")
        return month

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Return the month that a moment belongs to."""
        in_utc = moment.astimezone(UTC)
        return cls(in_utc.year, in_utc.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def start(self) -> datetime:
        """Return its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def stop(self) -> datetime:
        """Return the first moment after it."""
        return self.next().start

    def next(self) -> "Month":
        """Return the month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def previous(self) -> "Month":
        """Return the month before it."""
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)

    def archivable(self, now: datetime) -> bool:
        """Tell whether it has been over for long enough."""
        return self.stop + GRACE <= now
