"""The gate in front of every method: batches of calls, decided in Redis or, when that fails, here."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from shared.admission.asks import Ask, Conclusion, Outcome, Verdict
from shared.admission.limits import Quota, default_quota, replay_quota
from shared.admission.local_gate import LocalGate
from shared.admission.redis_gate import SCRIPT, RedisGate
from shared.admission.redis_link import RedisLink, RedisOutError
from shared.batching import NaturalBatcher
from shared.errors import Overloaded
from shared.settings import CommonSettings

log = structlog.get_logger(__name__)

MAX_BATCH = 256
"""Items of one script call. Redis does nothing else meanwhile, and 256 items take it about two milliseconds."""

OWED_MAX = 10_000
"""Conclusions kept for a Redis that is out, about 2 MB; beyond it the oldest are left to expire."""

MAX_QUEUE = 8192
"""Items waiting for the script call in flight: more than a process can hold in calls, so it is only ever full when something is wrong."""


CONCLUDE_SECONDS = 0.002
"""Longest wait of a conclusion for company. By then its caller has its answer: sent at once, the script call would hold that up. Whoever
repeats the key sooner sends an ask here, and the conclusion leaves before it, in the same batch."""


class Gate:
    """Decide calls and conclude their claims.

    Asks and conclusions travel in the same batches and in order, one batch at a time: a caller that repeats a key right after its answer
    meets the conclusion of its first call, and the conclusions cost no round trip of their own.
    """

    def __init__(
        self, redis: RedisGate, local: LocalGate, *, default: Quota, replays: Quota, observe: Callable[[int], None] | None = None
    ) -> None:
        self.default = default
        self.replays = replays
        self._redis = redis
        self._owed: deque[Conclusion] = deque(maxlen=OWED_MAX)
        self._local = local
        self._batcher: NaturalBatcher[Ask | Conclusion, Verdict] = NaturalBatcher(
            self._handle, name="admission", max_batch=MAX_BATCH, max_queue=MAX_QUEUE, observe=observe
        )

    def decide(self, ask: Ask) -> asyncio.Future[Verdict]:
        """Return what is to become of a call, to be awaited. Raises Overloaded when the process has too many calls waiting here."""
        return self._batcher.submit(ask)

    def conclude(self, conclusion: Conclusion) -> None:
        """Tell how a call that holds its claim has ended, without waiting. When it cannot be told, the claim expires by itself."""
        try:
            self._batcher.submit_later(conclusion, CONCLUDE_SECONDS)
        except Overloaded as error:
            log.warning("admission.conclusion_dropped", error=error.message)

    @property
    def waiting(self) -> int:
        """Return how many items wait for a script call."""
        return self._batcher.waiting

    @property
    def redis_trusted(self) -> bool:
        """Tell whether calls are decided in Redis now; otherwise its breaker is open, and this process decides by itself."""
        return self._redis.trusted

    async def redis_ready(self) -> bool:
        """Tell whether Redis decides; when it does not, this process decides by itself."""
        try:
            await self._redis.handle([])
        except RedisOutError:
            return False
        return True

    async def close(self) -> None:
        """Refuse new calls, carry out what waits, and close the connections."""
        await self._batcher.close()
        await self._redis.close()

    async def _handle(self, items: Sequence[Ask | Conclusion]) -> list[Verdict]:
        try:
            verdicts = await self._redis.handle(items)
        except RedisOutError as error:
            self._owed.extend(item for item in items if isinstance(item, Conclusion))
            verdicts = self._local.handle(items)
            return _owing_conclusions(items, verdicts) if error.asked else verdicts
        if self._owed:
            await self._deliver_owed()
        return verdicts

    async def _deliver_owed(self) -> None:
        """Tell Redis of the claims that ended while it was out: a frozen one wakes up and carries out asks that were long given up."""
        owed = [self._owed.popleft() for _ in range(min(len(self._owed), MAX_BATCH))]
        try:
            await self._redis.handle(owed)
        except RedisOutError:
            self._owed.extendleft(reversed(owed))


def _owing_conclusions(items: Sequence[Ask | Conclusion], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts with every admitted call owing a conclusion.

    Redis may have carried out the claims whose answer never came. Nobody would end such a claim, and until it expires it would answer 409
    to a caller that repeats a finished call.
    """
    return [
        verdict._replace(claimed=True) if isinstance(item, Ask) and item.claim_key and verdict.outcome is Outcome.GO else verdict
        for item, verdict in zip(items, verdicts, strict=True)
    ]


def build_gate(settings: CommonSettings, *, observe: Callable[[int], None] | None = None, kind: Callable[..., Gate] = Gate) -> Gate:
    """Compose the gate of a process; it connects when it is first asked. `observe` gets the size of each batch; `kind` makes the gate."""
    default = default_quota(settings.rate_limit_requests, settings.rate_limit_window_seconds)
    replays = replay_quota(settings.replay_limit_requests, settings.rate_limit_window_seconds)
    redis = RedisGate(RedisLink(settings.limits_redis_url, SCRIPT), replays)
    return kind(redis, LocalGate(default), default=default, replays=replays, observe=observe)
