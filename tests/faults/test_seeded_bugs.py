"""Prove the harness: every deliberate defect, planted in a copy of the tree, is caught by the invariant that is there for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.database_setup import set_up_database
from tests.databases import PASSWORDS, DatabaseFactory, Databases
from tests.faults.seeded import SeededBug, copy_tree, planted, seeded_bugs
from tests.faults.test_quick import perform

CRIES = ("broke", "audit", *(f"invariant {number}" for number in range(1, 7)))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the tree to spoil."""
    return copy_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def spoilt(database_factory: DatabaseFactory, tree: Path, bug: SeededBug) -> Iterator[Databases]:
    """Give a database for the spoilt tree: a clone, or one that was made by spoilt migrations."""
    with planted(bug, tree):
        if not bug.migrates:
            yield from database_factory.borrowed(bug.cells)
            return
        databases = database_factory.empty(bug.cells)
        set_up_database(databases.admin_url, PASSWORDS, cells=databases.cells, migrations_root=tree / "services")
        yield databases
        database_factory.drop(databases)


@pytest.mark.parametrize("bug", seeded_bugs(), ids=lambda bug: bug.name)
def test_it_is_caught(bug: SeededBug, tree: Path, spoilt: Databases, tmp_path: Path) -> None:
    """The play finds what is broken, and says which invariant."""
    outcome = perform(bug.play, spoilt, tmp_path, tree)
    cried = {cry for cry in CRIES if f"{cry}:" in outcome.stdout}
    print(f"{bug.name}: {sorted(cried)}\n{outcome.stdout[:2000]}")
    assert outcome.returncode == 1, f"nobody noticed: {bug.says}\n{outcome.stderr[-2000:]}"
    assert {f"invariant {cry}" if cry.isdecimal() else cry for cry in bug.cries} <= cried, outcome.stdout + outcome.stderr[-2000:]
