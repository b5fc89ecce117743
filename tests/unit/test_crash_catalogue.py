"""No operation escapes the crash tests: whoever adds one names it there."""

import re
from pathlib import Path

from tests.faults.points import OFFICE, RARE, SWEPT, UNDER_LOAD

ROOT = Path(__file__).parents[2]


def test_every_operation_with_a_transaction_of_its_own_is_visited() -> None:
    """Its points come by themselves; what leads there does not."""
    writing = {file.stem for file in ROOT.glob("services/*/operations/*.py") if re.search(r"\.transact(_pipelined)?\(", file.read_text())}
    visited = {pair.before.name.partition(".")[0] for pair in (*UNDER_LOAD, *SWEPT)} | OFFICE.keys()
    assert writing - visited == RARE.keys(), "name them in tests/faults/points.py"


def test_at_least_as_many_points_are_visited_as_were_promised() -> None:
    """Before and after every commit and call."""
    assert len({point for pair in (*UNDER_LOAD, *SWEPT) for point in pair[:2]}) + 2 * len(OFFICE) >= 24
