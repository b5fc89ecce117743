"""The seeded bugs keep up with the code that they spoil."""

import ast
from pathlib import Path

import pytest

from tests.faults.seeded import ROOT, DoesNotApply, Edit, SeededBug, seeded_bugs

BUGS_MIN = 20


@pytest.mark.parametrize("bug", seeded_bugs(), ids=lambda bug: bug.name)
def test_it_still_applies_and_still_compiles(bug: SeededBug) -> None:
    """Whoever changes the code beside a seeded bug sees it here, at once: then seed the same defect in the new code."""
    for file, text in bug.spoilt(ROOT).items():
        assert text != (ROOT / file).read_text()
        if file.endswith(".py"):
            ast.parse(text)


def test_there_are_enough_of_them() -> None:
    """A harness that catches a handful proves little."""
    assert len(seeded_bugs()) >= BUGS_MIN


def test_a_text_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """An edit never hits another place than it was made for."""
    with pytest.raises(DoesNotApply, match="2 times"):
        Edit("file.py", "x = 1", "x = 2").apply("x = 1\nx = 1\n")
