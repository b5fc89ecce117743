"""The local stack with stand-in programs: what starts, restarts, stops, and goes when its runner is killed."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from shared.local.choices import SECRET_NAMES, choose
from shared.local.env_file import keep_secrets, read_env_file
from shared.local.folder_lock import FolderLock, started_at
from shared.local.postgres import FAST_TEST_SETTINGS
from shared.local.processes import Program
from shared.local.stack import Stack
from shared.local.valkey import BROKER_SETTINGS, CACHE_SETTINGS
from tests.support import wait_until

STANDINS = (
    Program("gateway", "tests.standins.gateway", ("gateway",), 1),
    Program("worker", "tests.standins.idle", ("vendor_credit",), 2, count_setting="CHARGING_GATEWAY_PROCESSES"),
)
POSTGRES_SETTINGS = {**FAST_TEST_SETTINGS, "synchronous_commit": "on"}
"""Killed here is the server, not the machine: what was handed to the kernel stays."""

SETTINGS = {"CHARGING_PROFILE": "production", "CHARGING_GATEWAY_PROCESSES": "2", "CHARGING_DRAIN_SECONDS": "1"}


def new_stack(folder: Path, migrations_root: Path) -> Stack:
    """Prepare a stack of stand-ins."""
    choices = choose(folder, SETTINGS, keep_secrets(folder / "secrets", SECRET_NAMES), known_ports=False)
    return Stack(choices, programs=STANDINS, postgres_settings=POSTGRES_SETTINGS, migrations_root=migrations_root)


@pytest.fixture(scope="module")
def folder(server_folder: Path) -> Path:
    """Give a state folder with a short path."""
    folder = server_folder / "stack"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    """Give a running stack of stand-ins."""
    with new_stack(folder, folder / "no-migrations") as running:
        yield running


def environment_of_the_gateway(stack: Stack) -> dict[str, str]:
    """Return what the gateway stand-in was given."""
    with urllib.request.urlopen(stack.environment["CHARGING_HTTP_URL"], timeout=5) as answer:  # noqa: S310 - our own address
        found: dict[str, str] = json.load(answer)
        return found


def test_processes_get_the_settings_and_their_own_database_only(stack: Stack) -> None:
    """The administrator's address reaches no process."""
    found = environment_of_the_gateway(stack)

    addresses = {name for name in found if name.endswith("DATABASE_URL")}
    assert addresses == {"CHARGING_GATEWAY_DATABASE_URL"}
    assert found["CHARGING_PROFILE"] == "production"
    with psycopg.connect(found["CHARGING_GATEWAY_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT current_user::text").fetchone() == ("charging_gateway",)


def test_the_env_file_leads_to_both_engines(stack: Stack) -> None:
    """`.charging/env` holds addresses that work, for its owner only."""
    path = stack.state / "env"
    values = read_env_file(path)

    assert path.stat().st_mode & 0o077 == 0
    with psycopg.connect(values["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    policies = []
    for name in ("REDIS_URL", "CHARGING_CACHE_REDIS_URL"):
        with redis.Redis.from_url(values[name], decode_responses=True) as client:
            policies.append(client.config_get("maxmemory-policy")["maxmemory-policy"])
    assert policies == [BROKER_SETTINGS["maxmemory-policy"], CACHE_SETTINGS["maxmemory-policy"]]


def test_what_dies_is_started_again(stack: Stack) -> None:
    """A killed process has a successor; the others are left alone."""
    before = stack.pids()

    stack.kill("worker-2", signal.SIGKILL)

    wait_until(lambda: stack.pids().get("worker-2", before["worker-2"]) != before["worker-2"], "a successor of worker-2")
    assert {name: pid for name, pid in stack.pids().items() if name != "worker-2"} == {
        name: pid for name, pid in before.items() if name != "worker-2"
    }


def test_a_killed_database_comes_back_with_its_data(stack: Stack) -> None:
    """PostgreSQL recovers what was committed, also when its orphans take a moment to go."""
    with psycopg.connect(stack.postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS answer")

    stack.postgres.kill(signal.SIGKILL)
    stack.postgres.start()

    with psycopg.connect(stack.postgres.url()) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_process_can_be_stopped_and_started(stack: Stack) -> None:
    """A stopped process stays down until it is started."""
    stack.supervision.stop_process("worker")
    assert "worker" not in stack.pids()

    stack.supervision.start_process("worker")
    wait_until(lambda: "worker" in stack.pids(), "worker to run")


def test_a_killed_runner_takes_everything_along(folder: Path, server_folder: Path) -> None:
    """Nothing of a stack outlives its runner, and the folder can be used again."""
    other = server_folder / "killed"
    other.mkdir()
    script = (
        "import sys, time; from pathlib import Path; from tests.integration.test_local_stack import new_stack;"
        "stack = new_stack(Path(sys.argv[1]), Path(sys.argv[1]) / 'none'); stack.start();"
        "pids = [*stack.pids().values(), *(engine.pid for engine in stack.engines.values())];"
        "print(*pids, flush=True); time.sleep(60)"
    )
    runner = subprocess.Popen([sys.executable, "-c", script, str(other)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])  # noqa: S603
    assert runner.stdout is not None
    pids = [int(word) for word in runner.stdout.readline().split()]
    assert len(pids) == 6
    assert all(started_at(pid) != "gone" for pid in pids)

    runner.kill()
    runner.communicate()

    wait_until(lambda: all(started_at(pid) == "gone" for pid in pids), "every process to go")
    FolderLock(other).acquire(wait_seconds=10).release()


def test_a_stopped_stack_leaves_nothing_running(server_folder: Path) -> None:
    """Processes first, engines last, and all of them."""
    other = server_folder / "stopped"
    other.mkdir()
    stack = new_stack(other, other / "none")
    stack.start()
    pids = [*stack.pids().values(), *(engine.pid for engine in stack.engines.values())]

    stack.stop()

    assert all(started_at(pid) == "gone" for pid in pids)
    assert not any(engine.running for engine in stack.engines.values())
    lock = FolderLock(other)
    assert not lock.held()
    lock.release()
