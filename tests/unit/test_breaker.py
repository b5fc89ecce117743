"""The circuit breaker."""

from structlog.testing import capture_logs

from shared.breaker import Breaker


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_opens_after_failures_in_a_row_only() -> None:
    """A success in between starts the count again."""
    breaker = Breaker("test", failures=2)
    breaker.failed(OSError("down"))
    breaker.succeeded()
    breaker.failed(OSError("down"))
    assert breaker.allows()
    breaker.failed(OSError("down"))
    assert not breaker.allows()


def test_lets_one_probe_pass_per_period_and_closes_on_its_success() -> None:
    """While open, one caller asks now and then; its success opens the way for all."""
    clock = Clock()
    breaker = Breaker("test", failures=1, retry_seconds=1.0, clock=clock)
    breaker.failed(OSError("down"))
    clock.now = 1.0
    assert breaker.allows()
    assert not breaker.allows()
    breaker.failed(OSError("still down"))
    clock.now = 2.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.closed
    assert breaker.allows()


def test_lost_probe_does_not_keep_it_open_for_ever() -> None:
    """A probe that never reports back is followed by another one."""
    clock = Clock()
    breaker = Breaker("test", failures=1, retry_seconds=1.0, clock=clock)
    breaker.failed(OSError("down"))
    clock.now = 1.0
    assert breaker.allows()
    clock.now = 2.0
    assert breaker.allows()


def test_logs_each_change_of_state_once() -> None:
    """A long outage is two lines in the log, not one per call."""
    breaker = Breaker("test", failures=1)
    with capture_logs() as lines:
        for _ in range(5):
            breaker.failed(OSError("down"))
        breaker.succeeded()
        breaker.succeeded()
    assert [line["event"] for line in lines] == ["breaker.opened", "breaker.closed"]
