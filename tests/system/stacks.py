"""Whole stacks for tests: real engines and processes on free ports, in a temporary folder."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
import psycopg
import redis

from shared.database_setup import SERVICES
from shared.local.choices import SECRET_NAMES, choose
from shared.local.engine import confined
from shared.local.env_file import keep_secrets
from shared.local.ports import LOOPBACK, free_port
from shared.local.postgres import FAST_TEST_SETTINGS
from shared.local.stack import Stack
from shared.local.supervision import ROOT
from tests.cells import change_in_cells, count_in_cells, rows_in_cells
from tests.databases import CELLS
from tests.support import wait_until

POSTGRES_SETTINGS = {**FAST_TEST_SETTINGS, "synchronous_commit": "on"}
"""Killed here are processes, not the machine: what was handed to the kernel stays. The engine that is killed must still lose nothing."""

AUDIT_SECONDS_MAX = 60


def new_stack(folder: Path, settings: Mapping[str, str] | None = None) -> Stack:
    """Prepare a stack in an empty folder with a short path; `settings` are CHARGING_ variables."""
    folder.mkdir()
    given = {"CHARGING_CELLS": str(CELLS), **(settings or {})}
    choices = choose(folder, given, keep_secrets(folder / "secrets", SECRET_NAMES), known_ports=False)
    return Stack(choices, postgres_settings=POSTGRES_SETTINGS)


def audit(stack: Stack) -> str:
    """Check all books the way `make audit` does; fail with its words when they are not whole, and return them otherwise."""
    outcome = subprocess.run(
        [sys.executable, "-m", "services.customer_charge.audit"],
        env=_environment(stack, "customer_charge"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=AUDIT_SECONDS_MAX,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def query(stack: Stack, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return what the database holds in all cells, asked as its administrator; tables are named with their service."""
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as connection:
        return rows_in_cells(connection, statement, parameters)


def count(stack: Stack, statement: str, parameters: Sequence[Any] = ()) -> int:
    """Return the sum of the one number that a query gives in each cell."""
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as connection:
        return count_in_cells(connection, statement, parameters)


def change(stack: Stack, statement: str, parameters: Sequence[Any] = ()) -> int:
    """Change what the database holds; return how many rows that were in all cells."""
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as connection:
        return change_in_cells(connection, statement, parameters)


def flush(stack: Stack) -> None:
    """Empty both Redis instances: every claim, limit, look-up and message is gone."""
    for name in ("REDIS_URL", "CHARGING_CACHE_REDIS_URL"):
        with redis.Redis.from_url(stack.environment[name]) as client:
            client.flushall()


@contextmanager
def another_gateway(stack: Stack, settings: Mapping[str, str]) -> Iterator[str]:
    """Run one more gateway on ports of its own, and give its URL; `settings` are CHARGING_ variables that it alone has."""
    port = free_port()
    environment = {
        **_environment(stack, "gateway"),
        "CHARGING_HTTP_PORT": str(port),
        "CHARGING_IDENTITY_PORT": str(free_port()),
        **settings,
    }
    url = f"http://{LOOPBACK}:{port}"
    with (stack.state / "logs" / f"gateway-{port}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - a program of ours
            confined("plain", SIGKILL, sys.executable, "-m", "services.gateway"), env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: ready(url), "another gateway", seconds=30)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def ready(url: str) -> bool:
    """Tell whether the gateway at `url` says that all it needs answers."""
    try:
        return httpx.get(f"{url}/ready/", timeout=3).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _environment(stack: Stack, service: str) -> dict[str, str]:
    """Return the environment of a process of one service: it reaches its own database only."""
    foreign = {"DATABASE_URL", *(f"CHARGING_{other.upper()}_DATABASE_URL" for other in SERVICES if other != service)}
    return {name: value for name, value in stack.process_environment.items() if name not in foreign}
