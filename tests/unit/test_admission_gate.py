"""The gate while Redis is out: nothing that ended meanwhile is forgotten."""

from collections.abc import Sequence

from shared.admission.asks import Ask, Conclusion, Verdict
from shared.admission.gate import Gate
from shared.admission.limits import default_quota, replay_quota
from shared.admission.local_gate import LocalGate
from shared.admission.redis_link import RedisOutError

QUOTA = default_quota(10, 60)
ASK = Ask(None, b"", 1, b"claim", "owner", 1_000, b"replay")


class FrozenRedis:
    """A Redis that takes everything in and answers nothing, until it thaws."""

    def __init__(self) -> None:
        self.frozen = True
        self.handled: list[Ask | Conclusion] = []

    async def handle(self, items: Sequence[Ask | Conclusion]) -> list[Verdict]:
        if self.frozen:
            raise RedisOutError("no answer", asked=True)
        self.handled += items
        return LocalGate(QUOTA).handle(items)

    async def close(self) -> None:
        """Nothing to close."""


async def test_claims_that_ended_while_redis_was_frozen_are_concluded_when_it_thaws() -> None:
    """A thawing Redis carries out the claims it was sent; their ends must follow, or a repeated key would meet 409 until they expire."""
    redis = FrozenRedis()
    gate = Gate(redis, LocalGate(QUOTA), default=QUOTA, replays=replay_quota(10, 60))  # type: ignore[arg-type]
    verdict = await gate.decide(ASK)
    assert verdict.claimed
    ended = Conclusion(ASK.claim_key, ASK.owner, 5)
    gate.conclude(ended)
    await gate.decide(ASK._replace(claim_key=b"another"))
    redis.frozen = False
    await gate.decide(ASK._replace(claim_key=b"third"))
    await gate.close()
    assert ended in redis.handled
