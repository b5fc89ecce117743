"""Webhook endpoints: what they are, and when the next attempt is made."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

RETRY_PAUSES_SECONDS = (5, 30, 300, 1_800, 7_200, 18_000, 36_000)
"""Pauses after the first, second... failure in a row; the last one repeats. As Standard Webhooks suggests: from seconds to hours."""

JITTER = 0.2
"""A pause is longer or shorter by up to this share, so that endpoints that failed together do not come back together."""

GONE = 410
"""The status by which an endpoint says that it wants nothing any more."""

SUCCESSES = range(200, 300)


class EndpointState(IntEnum):
    """The numbers of charging.customer_charge.v1.WebhookState; a removed one is shown to nobody."""

    ENABLED = 1
    DISABLED = 2
    REMOVED = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a vendor's events are brought to. Secrets are encrypted; `types` empty means all."""

    id: int
    vendor_id: int
    url: str
    types: Sequence[int]
    description: str
    state: int
    disabled_reason: str | None
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None
    delivered_seq: int
    replayed_seq: int | None
    replay_until: int | None
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime
    created_at: datetime
    updated_at: datetime

    @property
    def position(self) -> int:
        """Return the number after which the next event is looked for: a replay comes before the feed."""
        return self.delivered_seq if self.replayed_seq is None else self.replayed_seq


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: the status, or the error for want of one."""

    status: int | None
    error: str | None
    latency_ms: int

    @property
    def delivered(self) -> bool:
        """Tell whether the endpoint took the event."""
        return self.status in SUCCESSES


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the delivery log."""

    id: str
    event_seq: int
    attempt: int
    http_status: int | None
    error: str | None
    latency_ms: int
    replay: bool
    attempted_at: datetime
    next_attempt_at: datetime | None


def next_attempt(failures: int, now: datetime, jitter: float | None = None) -> datetime:
    """Return when to try again after so many failures in a row; `jitter` from -1 to 1 is drawn where none is given."""
    pause = RETRY_PAUSES_SECONDS[min(failures, len(RETRY_PAUSES_SECONDS)) - 1]
    drawn = random.uniform(-1, 1) if jitter is None else jitter  # noqa: S311 - jitter, not a secret
    return now + timedelta(seconds=pause * (1 + JITTER * drawn))


def give_up_reason(outcome: Outcome, failing_since: datetime, now: datetime, days: int) -> str | None:
    """Return why an endpoint is to be disabled after a failed attempt, None when it is to be tried again."""
    if outcome.status == GONE:
        return "it answered 410 Gone"
    if now - failing_since >= timedelta(days=days):
        return f"every attempt of {days} days failed"
    return None
