"""Redis may be full, forget everything, or be gone: the truth is elsewhere, and the money path stays open."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from shared.local.stack import Stack
from shared.local.valkey import Valkey
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.strikes import last
from tests.system.office import Office
from tests.system.stacks import flush

INSTANCES = {"broker": "REDIS_URL", "cache": "CHARGING_CACHE_REDIS_URL"}
FULL_SECONDS = 1.5


def forget(stack: Stack) -> None:
    """Kill the broker and remove its file: every message is lost."""
    broker = stack.engines["broker"]
    assert isinstance(broker, Valkey)
    broker.kill()
    broker.forget()
    broker.start()


def flush_scripts(stack: Stack) -> None:
    """Forget the scripts that both instances were taught."""
    for name in INSTANCES.values():
        with redis.Redis.from_url(stack.environment[name]) as client:
            client.script_flush()


def fill(stack: Stack) -> None:
    """Leave no room in both instances: every write is refused, for a while."""
    clients = [redis.Redis.from_url(stack.environment[name]) for name in INSTANCES.values()]
    before = [(client, client.config_get("maxmemory", "maxmemory-policy")) for client in clients]
    for client in clients:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
    last(FULL_SECONDS)
    for client, settings in before:
        for name, value in settings.items():
            client.config_set(name, value)
        client.close()


BLOWS: dict[str, Callable[[Stack], None]] = {"flushed": flush, "empty": forget, "scripts": flush_scripts, "full": fill}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("blow", BLOWS)
def test_redis_that_forgets_or_is_full_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, blow: str, seed: int) -> None:
    """Twice in a run."""
    history = server_folder / f"redis-{blow}-{seed}.jsonl"
    play(stack, office, lambda: BLOWS[blow](stack), seed=seed, history=history, charges=150, strikes=2)
