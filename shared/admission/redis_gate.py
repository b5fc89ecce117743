"""Decisions in Redis: one script call for a batch of calls (`admit.lua`)."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

from shared.admission.asks import Ask, Conclusion, Outcome, Verdict
from shared.admission.limits import Quota
from shared.admission.redis_link import RedisLink

SCRIPT = Path(__file__).with_name("admit.lua")
OUTCOMES = tuple(Outcome)
INTEGERS_PER_ITEM = 5


class RedisGate:
    """Limits and claims that all processes share.

    `clock_us`, for tests, gives microseconds since 2025 in place of the Redis server's clock.
    """

    def __init__(self, link: RedisLink, replays: Quota, *, clock_us: Callable[[], float] | None = None) -> None:
        self._link = link
        self._replays = replays
        self._clock_us = clock_us

    async def handle(self, items: Sequence[Ask | Conclusion]) -> list[Verdict]:
        """Decide every ask and carry out every conclusion, in order. The verdict on a conclusion means nothing.

        Raises RedisOutError when Redis did not answer; what was asked may have happened.
        """
        # As few arguments as can be: packing each costs more than anything else here. A key that many items share is sent once.
        places: dict[bytes, int] = {b"": 0}
        place = places.setdefault
        rows: list[tuple[object, ...]] = []
        for item in items:
            if isinstance(item, Ask):
                limit, limit_key, cost, claim_key, owner, claim_ms, replay_key = item
                text = "free" if limit is None else _limit_text(limit)
                claim = place(claim_key, len(places))
                rows.append((claim, place(limit_key, len(places)), place(replay_key, len(places)), text, cost, owner, claim_ms))
            else:
                rows.append((place(item.claim_key, len(places)), item.owner, item.done_ms))
        now = "" if self._clock_us is None else f"{self._clock_us():.3f}"
        keys = list(islice(places, 1, None))
        return await self._link.run(keys, (now, _limit_text(self._replays), json.dumps(rows)), partial(_read_verdicts, len(items)))

    @property
    def trusted(self) -> bool:
        """Tell whether Redis is believed to work."""
        return self._link.trusted

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()


@lru_cache(maxsize=4096)
def _limit_text(quota: Quota) -> str:
    return f"{quota.algorithm.value}:{quota.requests}:{quota.window_us}"


def _read_verdicts(count: int, answer: bytes) -> list[Verdict]:
    """Return the verdicts in the script's answer. Raises ValueError or IndexError for anything else."""
    numbers = [int(text) for text in answer.split()]
    if len(numbers) != count * INTEGERS_PER_ITEM:
        raise ValueError(f"{len(numbers)} numbers for {count} items")
    return [
        Verdict(OUTCOMES[numbers[i]], numbers[i + 1], numbers[i + 2], numbers[i + 3], numbers[i + 4] == 1)
        for i in range(0, len(numbers), INTEGERS_PER_ITEM)
    ]
