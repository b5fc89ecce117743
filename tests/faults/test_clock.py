"""The time of day may jump, back and forth: no entry is dated before the one in front of it, and everything becomes final."""

from pathlib import Path
from random import Random

import pytest

from shared.local.stack import Stack
from tests.faults.crash import CrashFolder
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.strikes import last
from tests.system.office import Office

STEPS_SECONDS = (-3_600, -30, -1.5, 1.5, 30, 3_600)
STEP_LASTS_SECONDS = 0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clock_that_jumps_under_load_breaks_no_promise(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, seed: int
) -> None:
    """Every step once, in an order that the seed chooses, for all processes; then the truth again."""
    steps = Random(seed).sample(STEPS_SECONDS, len(STEPS_SECONDS))

    def step() -> None:
        crashes.shift_clock(steps.pop())
        last(STEP_LASTS_SECONDS)

    play(
        stack,
        office,
        step,
        seed=seed,
        history=server_folder / f"clock-{seed}.jsonl",
        charges=60 * len(steps),
        strikes=len(steps),
        heal=lambda: crashes.shift_clock(0),
        true_times=False,
    )
