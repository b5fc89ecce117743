"""The page on security names tests; they are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
POINTS = [f"API{number} " for number in range(1, 11)]


def test_every_point_names_tests_that_exist() -> None:
    """A claim without its test, or with one that is gone, is no claim."""
    page = (ROOT / "docs" / "security.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| Risk", "| What "))]
    existing = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert [point for point in POINTS if not any(row.startswith(f"| {point}") for row in rows)] == []
    named = {row: re.findall(r"`(test_\w+)`", row) for row in rows}
    assert [row[:60] for row, names in named.items() if not names] == []
    assert sorted({name for names in named.values() for name in names} - existing) == []
