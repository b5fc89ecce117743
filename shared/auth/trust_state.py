"""What a process must know to verify users' tokens by itself, and the copy of it that every process keeps.

The truth is in the gateway's database. A process that cannot reach it goes on with the copy it has: a partner's login token, which lives
hours, keeps working for as long as that; an operator's call or a long-lived token, where an unseen revocation would hurt most, does not.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

REFRESH_SECONDS = 3.0
"""A revocation is known everywhere within this time; a fetch is three index scans, so asking often is cheap."""

FIRST_TRIES_SECONDS = 0.2
"""Between tries while there is no copy at all: a process that starts beside its gateway serves as soon as that does."""

STALE_SECONDS = 60.0
"""Age from which the copy is too old for operators and long-lived tokens: twenty missed refreshes are no hiccup."""

FETCH_TIMEOUT_SECONDS = 5.0
"""A fetch that hangs is given up, so that the next one may find another gateway."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrustState:
    """The trust state at one moment.

    `keys` holds raw Ed25519 public keys by key id, `revoked` the expiry (seconds since 1970) of every revoked token by its id, and
    `versions` the lowest token version accepted of a subject, where that is not 1.
    """

    keys: Mapping[str, bytes]
    revoked: Mapping[str, float]
    versions: Mapping[str, int]


class TrustCopy:
    """This process's copy of the trust state, kept fresh by a background task.

    `state` is None before the first fetch, and stays the same object for as long as nothing has changed.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[TrustState]],
        *,
        interval_seconds: float = REFRESH_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state: TrustState | None = None
        self._fetch = fetch
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._as_of = -math.inf
        self._tried_at = -math.inf
        self._failing = False
        self._fetching = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def age_seconds(self) -> float:
        """Return how old the copy is at most; infinite before the first fetch."""
        return self._monotonic() - self._as_of

    @property
    def stale(self) -> bool:
        """Tell whether the copy is too old to rule out that an operator's or a long-lived token was revoked."""
        return self._monotonic() - self._as_of > STALE_SECONDS

    async def refresh(self) -> bool:
        """Fetch now. On return the copy holds everything committed before the call, or the answer is False and the old copy stays."""
        async with self._fetching:
            return await self._fetch_once()

    async def refresh_unless_tried_within(self, seconds: float) -> bool:
        """Fetch now, except when that was tried a moment ago: for reasons that a stranger can cause at will."""
        async with self._fetching:
            if self._monotonic() - self._tried_at < seconds:
                return False
            return await self._fetch_once()

    def start(self) -> None:
        """Begin to refresh in the background."""
        self._task = asyncio.create_task(self._refresh_for_ever(), name="trust-state")

    async def close(self) -> None:
        """Stop refreshing."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _refresh_for_ever(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(FIRST_TRIES_SECONDS if self.state is None else self._interval_seconds)

    async def _fetch_once(self) -> bool:
        asked_at = self._tried_at = self._monotonic()
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_SECONDS):
                state = await self._fetch()
        except Exception as error:  # Whatever went wrong out there, the copy and the task must outlive it.
            if not self._failing:
                say = _log.info if self.state is None else _log.warning
                say("trust_state.out_of_reach", error=type(error).__name__, age_seconds=None if self.state is None else self.age_seconds)
            self._failing = True
            return False
        if self._failing:
            _log.info("trust_state.in_reach")
        self._failing = False
        # The age counts from the question: a revocation made while the answer travelled may be missing from it.
        self._as_of = asked_at
        if state != self.state:
            self.state = state
        return True
