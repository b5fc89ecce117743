"""JSON text to plain Python values, without the leniencies of the usual parsers."""

import json
from collections.abc import Sequence
from typing import NoReturn

from services.gateway.http.unreadable import UnreadableError


class RepeatedNames(dict[str, object]):
    """An object in which names occur more than once; whoever reads it refuses `names`."""

    names: tuple[str, ...] = ()


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    seen: set[str] = set()
    repeated = RepeatedNames(values)
    repeated.names = tuple(dict.fromkeys(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return repeated


def _refuse_constant(name: str) -> NoReturn:
    raise UnreadableError.of(f"is not JSON: {name} is no JSON value")


_DECODE = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant).decode


def parse_json(body: bytes) -> object:
    """Return the value of a JSON text. Raises UnreadableError where it is not UTF-8, not JSON, too deep, or holds an endless number.

    Integers become int and everything with a point or an exponent becomes float, so that a reader can tell `1` from `1.0` and `1e0`.
    """
    try:
        return _DECODE(body.decode())
    except UnicodeDecodeError as error:
        raise UnreadableError.of(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise UnreadableError.of(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        # Depth is bounded by the contract (no message can hold itself), and what lies deeper is an unknown field: only the parser itself
        # meets this.
        raise UnreadableError.of("is nested too deeply") from None
    except ValueError:
        # The interpreter refuses to convert integers of thousands of digits, whose cost is quadratic.
        raise UnreadableError.of("holds a number with too many digits") from None
