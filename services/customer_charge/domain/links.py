"""Which vendors a customer has dealt with, as far as a process remembers."""

from collections.abc import Iterable

LINKS_MAX = 65_536
"""Most links remembered, about ten megabytes. What is forgotten is written once more, to no effect."""


class KnownLinks:
    """Links of customers and vendors that certainly exist. None is ever removed, so what was true once stays true.

    Example:
        missing = links.missing({(customer_id, vendor_id)})
        ...  # write them, COMMIT
        links.add(missing)
    """

    def __init__(self, limit: int = LINKS_MAX) -> None:
        self._limit = limit
        self._known: set[tuple[int, int]] = set()

    def missing(self, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return those of the (customer id, vendor id) pairs that are not known to be linked, sorted."""
        return sorted(set(pairs) - self._known)

    def add(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Remember links that are committed. When there are too many all earlier ones are forgotten."""
        self._known.update(pairs)
        if len(self._known) > self._limit:
            self._known = set(pairs)
