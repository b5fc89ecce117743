"""Neighbouring months meet: closing of one is opening of the next, for every ledger."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from shared.archive.errors import BadArchive

T = TypeVar("T")


def verify_meeting(ends: Iterable[tuple[int, T]], beginnings: Iterable[tuple[int, T]], nothing: T, what: str, after: Path) -> None:
    """Compare where ledgers ended with where they go on in `after`; both by id, sorted.

    A ledger without entries may be missing on either side: it stands at `nothing`. `what` names a ledger's owner. Raises BadArchive.
    """
    for identifier, closing, opening in beside(ends, beginnings):
        if (nothing if closing is None else closing) != (nothing if opening is None else opening):
            told = "is missing" if opening is None else "does not go on where the month before ends"
            raise BadArchive(f"{after}: the ledger of {what} {identifier} {told}")


def beside(left: Iterable[tuple[int, T]], right: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T | None, T | None]]:
    """Yield every key of either stream with what each has of it, in order; both are sorted by their keys, each key once."""
    lefts, rights = iter(left), iter(right)
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None  # noqa: S101 - by the loop's condition
            yield *one, None
            one = next(lefts, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other[1]
            other = next(rights, None)
        else:
            yield *one, other[1]
            one, other = next(lefts, None), next(rights, None)
