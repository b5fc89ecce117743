"""The quick plays find nothing in the tree as it is: what they find in a spoilt copy is the spoiler's."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.databases import CELLS, DatabaseFactory, Databases
from tests.faults.quick import CELLS_OF, PLAYS

ROOT = Path(__file__).parents[2]
PLAY_SECONDS_MAX = 120


def perform(play: str, databases: Databases, folder: Path, tree: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Perform a play by the code of a tree, in a process of its own."""
    file = folder / "databases.json"
    file.write_text(json.dumps(asdict(databases)))
    environment = os.environ | {"PYTHONPATH": f"{tree}{os.pathsep}{tree / 'shared' / 'stubs'}"}
    command = [sys.executable, "-m", "tests.faults.quick", play, str(file)]
    return subprocess.run(  # noqa: S603 - a program of ours
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PLAY_SECONDS_MAX, check=False
    )


@pytest.mark.parametrize("play", PLAYS)
def test_the_tree_as_it_is_passes(play: str, database_factory: DatabaseFactory, tmp_path: Path) -> None:
    """No finding and no complaint."""
    databases = database_factory.clone(CELLS_OF.get(play, CELLS))
    outcome = perform(play, databases, tmp_path)
    database_factory.drop(databases)
    assert (outcome.returncode, outcome.stdout) == (0, ""), outcome.stdout + outcome.stderr
