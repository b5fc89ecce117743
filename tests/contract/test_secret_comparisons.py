"""No secret is compared in a way that tells by its time how much of it was right."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECRET = re.compile(r"(^|_)(password|passwords|secret|secrets|signature|signatures|hmac|mac|csrf|api_key)($|_)")
COMPARED_AT_A_KEYBOARD = {"services/gateway/create_user.py": 1}
"""Both are typed there by the same person, one after the other."""


def name_of(node: ast.expr) -> str:
    """Return the last name in an expression: `password` of `request.password`, `digest` of `hmac.digest(...)`."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def plain_comparisons(source: str) -> Iterator[int]:
    """Yield the lines on which something with the name of a secret is compared by == or !=, other than with a constant."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare) or not any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if any(SECRET.search(name_of(side)) for side in sides) and not any(isinstance(side, ast.Constant) for side in sides):
            yield node.lineno


def test_secrets_are_compared_in_constant_time_or_not_at_all() -> None:
    """Passwords go through argon2, tokens and documents through their signatures; whatever else comes uses hmac.compare_digest."""
    found = {}
    for folder in ("services", "shared", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            if lines := list(plain_comparisons(path.read_text())):
                found[str(path.relative_to(ROOT))] = len(lines)

    assert found == COMPARED_AT_A_KEYBOARD


def test_the_search_finds_what_it_looks_for() -> None:
    """It sees attributes and calls, and does not take a flag for a secret."""
    bad = "a.secret == b\nx != signature(y)\nstored_password == given\n"
    assert list(plain_comparisons(bad)) == [1, 2, 3]
    assert list(plain_comparisons("name == 'signature'\nsecretary == b\npassword is None\n")) == []
