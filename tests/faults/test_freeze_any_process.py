"""Any process may stop for longer than its locks and claims live, and then go on with what it believed before."""

from pathlib import Path

import pytest

from shared.local.processes import PROGRAMS
from shared.local.stack import Stack
from tests.faults.seeds import SEEDS
from tests.faults.strikes import freeze, strike_under_load
from tests.system.office import Office

CHARGES = 300
FROZEN_SECONDS = 6.0
"""A slot's lock lives for five seconds: by now another worker or the sweeper has taken over."""

VICTIMS = (*(program.name for program in PROGRAMS), "broker", "cache")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_freezing_it_under_load_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, victim: str, seed: int) -> None:
    """One freeze, longer than any lease, during 300 charges."""
    history = server_folder / f"freeze-{victim}-{seed}.jsonl"
    strike_under_load(stack, office, lambda: freeze(stack, victim, FROZEN_SECONDS), seed=seed, history=history, charges=CHARGES, strikes=1)
