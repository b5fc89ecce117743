"""A circuit breaker: stop asking what does not answer, and try again now and then."""

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Breaker:
    """Guard one dependency of this process.

    Closed: everything may pass. After `failures` failures in a row it opens: nothing may pass, so callers take their other way at once
    instead of waiting for one time-out each. Every `retry_seconds` one probe may pass (half-open); its success closes the breaker.
    A probe that never reports back costs nothing: the next is due by the clock. Each change of state is logged once.

    Example:
        if not breaker.allows():
            return local_answer()
        try:
            answer = await ask()
        except OSError as error:
            breaker.failed(error)
            return local_answer()
        breaker.succeeded()
    """

    def __init__(self, name: str, *, failures: int = 3, retry_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._failures_to_open = failures
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._failures = 0
        self._retry_at: float | None = None

    @property
    def closed(self) -> bool:
        """Tell whether the dependency is believed to work."""
        return self._retry_at is None

    def allows(self) -> bool:
        """Tell whether the caller may ask now. True while closed, and for one caller per retry period while open."""
        if self._retry_at is None:
            return True
        now = self._clock()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._retry_seconds
        return True

    def succeeded(self) -> None:
        """Record an answer."""
        self._failures = 0
        if self._retry_at is not None:
            self._retry_at = None
            log.warning("breaker.closed", dependency=self._name)

    def failed(self, error: BaseException) -> None:
        """Record a failure to answer."""
        self._failures += 1
        if self._retry_at is None and self._failures >= self._failures_to_open:
            self._retry_at = self._clock() + self._retry_seconds
            log.warning("breaker.opened", dependency=self._name, error=type(error).__name__, text=str(error))
