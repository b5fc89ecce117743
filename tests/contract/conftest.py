"""The running system, once per module of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from shared.local.valkey import Valkey
from tests.contract.stack import Stack, open_stack
from tests.contract.world import World
from tests.databases import Databases

UNLIMITED = 1_000_000
"""Requests in a window for tests that are not about limits."""


@pytest.fixture(scope="module")
def module_redis_url(valkey_server: Valkey) -> str:
    """Give the URL of a Valkey that is empty when the module begins."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(module_databases: Databases, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Give all servers on an empty database, with limits out of the way."""
    keys_dir: Path = tmp_path_factory.mktemp("keys")
    async with open_stack(module_databases, module_redis_url, keys_dir, rate_limit_requests=UNLIMITED) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: Stack) -> World:
    """Give the stack with its inhabitants."""
    world = World(stack)
    await world.populate()
    return world
