"""Decisions in Redis: one script call for a batch of calls (`admit.lua`)."""

from collections.abc import Callable, Sequence
from pathlib import Path

from shared.admission.asks import Ask, Conclusion, Outcome, Verdict
from shared.admission.limits import Quota
from shared.admission.redis_link import RedisLink, RedisOutError

SCRIPT = Path(__file__).with_name("admit.lua")
OUTCOMES = tuple(Outcome)
NO_KEY = b""
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
        keys: list[bytes] = []
        arguments: list[bytes | str | int] = [
            b"" if self._clock_us is None else f"{self._clock_us():.3f}",
            self._replays.requests,
            self._replays.window_us,
        ]
        for item in items:
            if isinstance(item, Ask):
                limit, limit_key, cost, claim_key, owner, claim_ms, replay_key = item
                keys += (claim_key, limit_key, replay_key)
                if limit is None:
                    arguments += (b"free", b"0", b"0", b"0", owner, claim_ms)
                else:
                    arguments += (limit.algorithm.value, limit.requests, limit.window_us, cost, owner, claim_ms)
            else:
                keys += (item.claim_key, NO_KEY, NO_KEY)
                arguments += (b"end", b"0", b"0", b"0", item.owner, item.done_ms)
        return self._read(await self._link.run(keys, arguments), len(items))

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()

    def _read(self, answer: bytes, count: int) -> list[Verdict]:
        try:
            numbers = [int(text) for text in answer.split()]
            if len(numbers) != count * INTEGERS_PER_ITEM:
                raise ValueError(f"{len(numbers)} numbers for {count} items")
            return [
                Verdict(OUTCOMES[numbers[i]], numbers[i + 1], numbers[i + 2], numbers[i + 3], numbers[i + 4] == 1)
                for i in range(0, len(numbers), INTEGERS_PER_ITEM)
            ]
        except (ValueError, IndexError) as error:
            self._link.spoiled(error)
            raise RedisOutError(f"Redis talks nonsense: {error}") from error
