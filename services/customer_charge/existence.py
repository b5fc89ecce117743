"""Which vendors and customers exist: looked up once, then known, because neither is ever deleted."""

from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

from shared.errors import NotFound

CAPACITY = 200_000
"""Most ids remembered, about 20 MB; beyond it those learnt first are looked up again."""


class Existence:
    """Remembers the ids that exist. An id that was not found is asked for again each time: it may have been made meanwhile."""

    def __init__(self, look_up: Callable[[set[int]], Awaitable[set[int]]]) -> None:
        """`look_up` returns those of the given ids that exist; its errors pass through."""
        self._look_up = look_up
        self._known: dict[int, None] = {}  # in the order they were learnt

    def known(self, identifier: int) -> bool:
        """Tell whether the id is known to exist, without asking anybody."""
        return identifier in self._known

    async def find(self, identifiers: Iterable[int]) -> set[int]:
        """Return those of the ids that exist."""
        wanted = set(identifiers)
        found = {identifier for identifier in wanted if identifier in self._known}
        missing = wanted - found
        if missing:
            new = await self._look_up(missing)
            self._known.update(dict.fromkeys(new))
            for oldest in list(islice(self._known, max(0, len(self._known) - CAPACITY))):
                del self._known[oldest]
            found |= new
        return found


def missing_party(vendor_id: int, customer_id: int, vendors: set[int], customers: set[int]) -> NotFound | None:
    """Return the error for a vendor or customer that is not among those found, None when both are."""
    if vendor_id not in vendors:
        return NotFound.of("vendor", vendor_id, "vendor_id")
    if customer_id not in customers:
        return NotFound.of("customer", customer_id, "customer_id")
    return None
