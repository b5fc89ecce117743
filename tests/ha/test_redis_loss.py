"""The Redis that carries hints and claims loses its primary under load: nobody notices, and every promise holds."""

from pathlib import Path

import pytest

from tests.faults.run import play
from tests.ha.redis_pair import redis_pair
from tests.system.office import Office
from tests.system.stacks import new_stack


@pytest.mark.timeout(180)
def test_a_redis_that_fails_over_under_load_breaks_no_promise(server_folder: Path) -> None:
    """Killed twice, promoted by the sentinel each time; no call is answered with an error for it."""
    with redis_pair(server_folder / "redis-loss") as pair:
        settings = {"REDIS_URL": pair.url, "CHARGING_CACHE_REDIS_URL": pair.url}

        def strike() -> None:
            pair.lose_primary()
            pair.come_back()

        with new_stack(server_folder / "redis-stack", settings) as stack:
            office = Office(stack)
            verdict = play(stack, office, strike, seed=0, history=server_folder / "redis-loss.jsonl", charges=600, strikes=2)
            office.close()
    failed = [line for line in verdict.lines if line.detail.startswith("5") and line.event in {"unknown", "fail"}]
    assert failed == []
    print(f"{verdict.charges} charges over two failovers of Redis, none answered with an error; p99 to final {verdict.p99:.2f} s")
