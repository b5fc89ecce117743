"""No crash point escapes the crash tests: whoever adds an operation, an outgoing call or a point of its own names it there."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.contract.contract import METHODS
from tests.faults.points import all_deaths, all_points
from tests.faults.seeded import seeded_bugs

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "shared" / "stubs"


def own_files() -> list[Path]:
    """Return the files whose code runs in the system's processes."""
    return [file for folder in ("services", "shared") for file in (ROOT / folder).rglob("*.py") if STUBS not in file.parents]


def points_of_operations() -> set[str]:
    """Return the two points of each operation with a transaction of its own."""
    transaction = re.compile(r"\.transact(_pipelined|_at_once)?\(")
    writing = {file.stem for file in ROOT.glob("services/*/operations/*.py") if transaction.search(file.read_text())}
    return {f"{operation}.{moment}_commit" for operation in writing for moment in ("before", "after")}


def points_of_calls() -> set[str]:
    """Return the two points of each RPC that some code calls through a stub: `self._debits.DebitVendors(request, ...)`."""
    methods = {method.name for method in METHODS.values()} | {"Check"}  # of grpc.health.v1
    called = {node.func.attr for node in calls() if isinstance(node.func, ast.Attribute)} & methods
    return {f"{method}.{moment}_call" for method in called for moment in ("before", "after")}


def own_points() -> set[str]:
    """Return the points that are named where they are: `crash_point("hint.before_send")`."""
    found = [node.args for node in calls() if isinstance(node.func, ast.Name) and node.func.id == "crash_point" and len(node.args) == 1]
    return {str(argument.value) for (argument,) in found if isinstance(argument, ast.Constant)}


@cache
def calls() -> list[ast.Call]:
    """Return every call in the code."""
    return [node for file in own_files() for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]


def test_every_point_is_armed_by_some_test() -> None:
    """Points come by themselves with an operation or a call; what leads there does not."""
    points = points_of_operations() | points_of_calls() | own_points()
    assert points - all_points() == set(), "name them in tests/faults/points.py"


def test_every_point_that_is_armed_is_in_the_code() -> None:
    """A point that nothing comes to any more would only make its test wait."""
    assert all_points() - points_of_operations() - points_of_calls() - own_points() == set()


def test_the_code_is_found() -> None:
    """One of each kind that surely exists: else the tests above would prove nothing."""
    assert "accept_charges.before_commit" in points_of_operations()
    assert "DebitVendors.after_call" in points_of_calls()
    assert "hint.before_send" in own_points()


def test_at_least_as_many_points_are_visited_as_were_promised() -> None:
    """Before and after every commit and call."""
    assert len(all_points()) >= 24


def test_the_page_on_reliability_counts_right() -> None:
    """Its numbers of crash points and seeded bugs are those of today."""
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert f"{len(all_points())} points by name, {len(all_deaths())} with the process that dies there" in page
    assert f"{len(seeded_bugs())} deliberate defects" in page
