"""Any process may be killed at any moment: what was promised holds, and nothing is lost, doubled or invented.

FAULT_SEEDS says how many seeds each process gets; a failure names its seed, and the history of the client is kept beside the logs.
"""

import os
from pathlib import Path

import pytest

from shared.local.processes import PROGRAMS
from shared.local.stack import Stack
from tests.faults.kills import kill_under_load
from tests.system.office import Office

CHARGES = 500
SEEDS = range(int(os.environ.get("FAULT_SEEDS", "2")))
VICTIMS = (*(program.name for program in PROGRAMS), "postgres", "broker", "cache")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_killing_it_under_load_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, victim: str, seed: int) -> None:
    """Three SIGKILLs during 500 charges of a partner who retries as documented."""
    kill_under_load(stack, office, victim, seed=seed, history=server_folder / f"{victim}-{seed}.jsonl", charges=CHARGES)
