"""Cells: the schemas that hold one service's rows, each with the same tables, on one server or spread over several.

A row's id tells its cell: cell k of n gives the ids that leave k when divided by n, so nobody needs to look up where a row lives, and no
directory can be lost or stale. What has no id yet is placed by a hash of what names it: a phone number, or who asks and under which key.
With one cell, the default, there is nothing to choose.

A transaction stays in one cell. Moving load between servers moves whole cells; a vendor never changes its own.
"""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from shared.cell_numbers import cell_of_text
from shared.database import Database
from shared.errors import ChargingError

T = TypeVar("T")
Result = TypeVar("Result")


class Cells:
    """One service's databases, one for each cell. `open` them before use and `close` them after.

    Example:
        vendor = await read_vendor(cells.of(vendor_id), vendor_id)
        pages = await cells.gather(lambda database: list_vendors(database, limit=50))
        vendors = merged(pages, key=attrgetter("id"), limit=50)
    """

    def __init__(self, databases: Sequence[Database]) -> None:
        self.all = tuple(databases)

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Database]:
        return iter(self.all)

    def __getitem__(self, cell: int) -> Database:
        return self.all[cell]

    @property
    def first(self) -> Database:
        """Return the cell that holds what belongs to no vendor and no customer."""
        return self.all[0]

    def of(self, identifier: int) -> Database:
        """Return the cell of a vendor, a customer, or whatever else takes its id from a cell's sequence."""
        return self.all[identifier % len(self.all)]

    def of_text(self, text: str) -> Database:
        """Return the cell of what is named by a text."""
        return self.all[cell_of_text(text, len(self.all))]

    def of_some(self, identifiers: Iterable[int] | None) -> list[Database]:
        """Return the cells of some ids, each once, in order of the cells; None: all cells."""
        if identifiers is None:
            return list(self.all)
        return [self.all[cell] for cell in sorted({identifier % len(self.all) for identifier in identifiers})]

    def apart(self, identifier: int, other: int) -> bool:
        """Tell whether two ids are of different cells, so that no transaction can hold the rows of both."""
        return identifier % len(self.all) != other % len(self.all)

    def split(self, items: Iterable[T], identifier: Callable[[T], int]) -> Mapping[int, list[T]]:
        """Return the items by the number of their cell, in order of the cells; the items of a cell stay in their order."""
        parts: defaultdict[int, list[T]] = defaultdict(list)
        for item in items:
            parts[identifier(item) % len(self.all)].append(item)
        return dict(sorted(parts.items()))

    async def gather(self, work: Callable[[Database], Awaitable[Result]], among: Sequence[Database] | None = None) -> list[Result]:
        """Do the same in all cells, or in those `among`, side by side; return the results in order. Raises the first cell's error."""
        databases = self.all if among is None else among
        if len(databases) == 1:
            return [await work(databases[0])]
        results = await asyncio.gather(*(work(database) for database in databases), return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors:
            # Something unexpected must not hide behind a cell that is merely out of reach.
            raise next((error for error in errors if not isinstance(error, ChargingError)), errors[0])
        return [result for result in results if not isinstance(result, BaseException)]

    async def answer_each(
        self, items: Sequence[T], identifier: Callable[[T], int], work: Callable[[Database, Sequence[T]], Awaitable[Sequence[Result]]]
    ) -> Sequence[Result]:
        """Do `work` for the items of each cell, side by side, and return its answers, one for each item, in the order of the items.

        Raises the first cell's error, when all are done: what other cells did stays done.
        """
        if len(self.all) == 1:
            return await work(self.all[0], items)
        places = self.split(range(len(items)), lambda place: identifier(items[place]))
        parts = {self.all[cell]: part for cell, part in places.items()}
        answers = await self.gather(lambda database: work(database, [items[place] for place in parts[database]]), list(parts))
        by_place = {
            place: answer for part, given in zip(parts.values(), answers, strict=True) for place, answer in zip(part, given, strict=True)
        }
        return [by_place[place] for place in range(len(items))]

    async def find(self, look: Callable[[Database], Awaitable[Result | None]], among: Sequence[Database] | None = None) -> Result | None:
        """Look for something in all cells, or in those `among`, side by side; return it as soon as one has it, None when none has.

        Raises a cell's error only where no other has it: what may be in a cell that is out of reach is not missing.
        """
        databases = self.all if among is None else among
        if len(databases) == 1:
            return await look(databases[0])
        looks = [asyncio.ensure_future(look(database)) for database in databases]
        errors: list[ChargingError] = []
        try:
            for answer in asyncio.as_completed(looks):
                try:
                    found = await answer
                except ChargingError as error:
                    errors.append(error)
                else:
                    if found is not None:
                        return found
        finally:
            for each in looks:
                each.cancel()
            await asyncio.gather(*looks, return_exceptions=True)
        if errors:
            raise errors[0]
        return None

    async def open(self) -> None:
        """Start connecting. Does not wait: a database that comes later is used when it comes."""
        for database in self.all:
            await database.open()

    async def close(self) -> None:
        """Wait for the transactions in flight, then disconnect."""
        await asyncio.gather(*(database.close() for database in self.all))

    def pool_state(self) -> dict[str, int]:
        """Return the sums of what the pools of the cells say; see `Database.pool_state`."""
        states = [database.pool_state() for database in self.all]
        return {name: sum(state[name] for state in states) for name in states[0]}

    async def ready(self) -> bool:
        """Tell whether every cell answers within a second."""
        return all(await asyncio.gather(*(database.ready() for database in self.all)))


def merged(pages: Sequence[list[T]], *, key: Callable[[T], Any], limit: int, newest_first: bool = False) -> list[T]:
    """Return the page of up to `limit` items that the pages of the cells make. Each is in order of `key`, and full or all there is."""
    if len(pages) == 1:
        return pages[0]
    return list(islice(heapq.merge(*pages, key=key, reverse=newest_first), limit))
