"""The network may be gone altogether for a while, with no word to anybody: afterwards everything goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.partitioned import EXIT_NOT_ALLOWED
from tests.faults.seeds import SEEDS
from tests.support import tool_missing

ROOT = Path(__file__).parents[2]
RUN_SECONDS_MAX = 240


@pytest.mark.parametrize("seed", SEEDS)
def test_a_partition_of_all_from_all_breaks_no_promise(server_folder: Path, seed: int) -> None:
    """Twice under load, in a network namespace of its own."""
    folder = server_folder / f"p{seed}"
    folder.mkdir()
    outcome = subprocess.run(  # noqa: S603 - a program of ours
        [sys.executable, "-m", "tests.faults.partitioned", str(folder), str(seed)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    if outcome.returncode == EXIT_NOT_ALLOWED:
        tool_missing("permission to make a network namespace")
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-4000:]
