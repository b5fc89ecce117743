"""What Schemathesis is told beyond the document; loaded by it alone."""

from typing import Any

import schemathesis


@schemathesis.hook  # type: ignore[untyped-decorator, unused-ignore]
def map_body(_context: Any, body: Any) -> Any:
    """Write whole numbers without a fraction: for JSON Schema 1.0 is an integer too, and this system refuses it on purpose."""
    return whole(body)


def whole(value: Any) -> Any:
    """Return the value with every 1.0 in it as 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list) else value
