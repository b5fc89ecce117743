"""Refusals at a pace: callers that do not wait must not take the time of those that are served.

A refusal costs the door half as much as its part of a charge, and callers who are refused and send again at once, on thousands of
connections, would soon have it do nothing else. So a connection that was answered 503 is read again only after a pause. The refusal itself
is not held up.
"""

PER_SECOND = 2_000
"""Refusals a second that the door gives to callers who come back at once: about a tenth of its time."""

PAUSE_SECONDS_MAX = 1.0
"""Longest pause: what `Retry-After` says. Whoever waits that long notices nothing."""


class Pace:
    """Says how long a refused connection is left unread: the longer, the more of them there are."""

    def __init__(self) -> None:
        self.paused = 0
        """Connections that are not read now."""

    def begin(self) -> float:
        """Count a connection that is not read from now on, and return for how many seconds."""
        self.paused += 1
        return min(PAUSE_SECONDS_MAX, self.paused / PER_SECOND)

    def end(self) -> None:
        """Forget one: it is read again, or gone."""
        self.paused -= 1
