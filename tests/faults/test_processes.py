"""Any process may be killed, told to leave or frozen at any moment: what was promised holds. How they leave: tests/system/test_drain.py."""

import math
import signal
from pathlib import Path
from random import Random

import pytest

from shared.local.processes import PROGRAMS
from shared.local.stack import Stack
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.strikes import freeze, kill
from tests.system.office import Office

PROCESSES = [program.name for program in PROGRAMS]
ENGINES = ["postgres", "broker", "cache"]

FROZEN_SECONDS = 6.0
"""A slot's lock lives for five seconds: by now another worker or the sweeper has taken over."""

FROZEN_AT_ONCE = 2


@pytest.mark.parametrize("seed", SEEDS)
def test_killing_each_of_them_under_load_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, seed: int) -> None:
    """SIGKILL for every process and every engine, one after the other, in an order that the seed chooses."""
    victims = Random(seed).sample([*PROCESSES, *ENGINES], len(PROCESSES) + len(ENGINES))
    history = server_folder / f"kill-{seed}.jsonl"
    play(stack, office, lambda: kill(stack, victims.pop()), seed=seed, history=history, charges=len(victims) * 60, strikes=len(victims))


@pytest.mark.parametrize("seed", SEEDS)
def test_telling_each_of_them_to_leave_under_load_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, seed: int) -> None:
    """SIGTERM for every process and engine, in an order that the seed chooses. PostgreSQL gets SIGINT: it would wait for clients."""
    victims = Random(seed).sample([*PROCESSES, *ENGINES], len(PROCESSES) + len(ENGINES))

    def strike() -> None:
        victim = victims.pop()
        kill(stack, victim, signal.SIGINT if victim == "postgres" else signal.SIGTERM)

    history = server_folder / f"leave-{seed}.jsonl"
    play(stack, office, strike, seed=seed, history=history, charges=len(victims) * 30, strikes=len(victims))


@pytest.mark.parametrize("seed", SEEDS)
def test_freezing_each_of_them_under_load_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, seed: int) -> None:
    """SIGSTOP for longer than any lease, two at a time; each then goes on with what it believed before. PostgreSQL with all back ends."""
    victims = Random(seed).sample([*PROCESSES, *ENGINES], len(PROCESSES) + len(ENGINES))
    strikes = math.ceil(len(victims) / FROZEN_AT_ONCE)

    def strike() -> None:
        freeze(stack, [victims.pop() for _ in range(min(FROZEN_AT_ONCE, len(victims)))], FROZEN_SECONDS)

    play(stack, office, strike, seed=seed, history=server_folder / f"freeze-{seed}.jsonl", charges=strikes * 100, strikes=strikes)
