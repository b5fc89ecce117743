"""Any process may be killed at any moment: what was promised holds, and nothing is lost, doubled or invented."""

from pathlib import Path

import pytest

from shared.local.processes import PROGRAMS
from shared.local.stack import Stack
from tests.faults.seeds import SEEDS
from tests.faults.strikes import kill, strike_under_load
from tests.system.office import Office

CHARGES = 500
VICTIMS = (*(program.name for program in PROGRAMS), "postgres", "broker", "cache")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_killing_it_under_load_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, victim: str, seed: int) -> None:
    """Three SIGKILLs during 500 charges of a partner who retries as documented."""
    history = server_folder / f"kill-{victim}-{seed}.jsonl"
    strike_under_load(stack, office, lambda: kill(stack, victim), seed=seed, history=history, charges=CHARGES)
