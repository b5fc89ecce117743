"""Read what this service's books say of charges and reversals, over all cells.

A statement sees one cell: the vendor's, with the customer's entry beside it where the customer lives there too. An entry in another cell is
read afterwards. It is written before its charge or reversal says so, and never goes away; so what says so when it was read has its entry.
"""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TypeVar

from services.customer_charge.domain.ledger import EntryKind
from services.customer_charge.domain.matching import OwnFacts
from services.customer_charge.domain.reversal_matching import OwnReversal
from services.customer_charge.storage import charge_facts, entry_facts, reversal_facts
from services.customer_charge.storage.entry_facts import EntryFacts
from shared.cells import Cells, merged
from shared.database import Database

Facts = TypeVar("Facts", OwnFacts, OwnReversal)


async def list_charges(cells: Cells, *, after: str, until: str, limit: int) -> tuple[list[OwnFacts], str]:
    """Return the charges of one page from (after, until], in order of id, and the id up to which that is all; `until` at the end."""

    async def page(database: Database) -> list[OwnFacts]:
        async with database.reading() as connection:
            return await charge_facts.list_facts(connection, after=after, until=until, limit=limit // len(cells))

    found, end = _page(await cells.gather(page), until, limit // len(cells))
    return await _with_entries(cells, EntryKind.CHARGE, found), end


async def get_charges(cells: Cells, charge_ids: Sequence[str]) -> dict[str, OwnFacts]:
    """Return those of the charges that exist, by id."""

    async def some(database: Database) -> list[OwnFacts]:
        async with database.reading() as connection:
            return list((await charge_facts.get_facts(connection, charge_ids)).values())

    found = [each for page in await cells.gather(some) for each in page] if charge_ids else []
    return {each.id: each for each in await _with_entries(cells, EntryKind.CHARGE, found)}


async def with_work(cells: Cells, charge_ids: Sequence[str]) -> set[str]:
    """Return those of the charges that have a pending row."""

    async def some(database: Database) -> set[str]:
        async with database.reading() as connection:
            return await charge_facts.with_work(connection, charge_ids)

    return set().union(*await cells.gather(some)) if charge_ids else set()


async def list_reversals(cells: Cells, *, after: str, until: str, limit: int) -> tuple[list[OwnReversal], str]:
    """Return the reversals of one page from (after, until] as `list_charges` does."""

    async def page(database: Database) -> list[OwnReversal]:
        async with database.reading() as connection:
            return await reversal_facts.list_facts(connection, after=after, until=until, limit=limit // len(cells))

    found, end = _page(await cells.gather(page), until, limit // len(cells))
    return await _with_entries(cells, EntryKind.REVERSAL, found), end


async def get_reversals(cells: Cells, reversal_ids: Sequence[str]) -> dict[str, OwnReversal]:
    """Return those of the reversals that exist, by id."""

    async def some(database: Database) -> list[OwnReversal]:
        async with database.reading() as connection:
            return list((await reversal_facts.get_facts(connection, reversal_ids)).values())

    found = [each for page in await cells.gather(some) for each in page] if reversal_ids else []
    return {each.id: each for each in await _with_entries(cells, EntryKind.REVERSAL, found)}


async def oldest_pending_charge(cells: Cells) -> str | None:
    """Return the smallest id among the charges that are under way in any cell; None when there is none."""

    async def oldest(database: Database) -> str | None:
        async with database.reading() as connection:
            return await charge_facts.oldest_pending(connection)

    return min((each for each in await cells.gather(oldest) if each is not None), default=None)


async def oldest_pending_reversal(cells: Cells) -> str | None:
    """Return the smallest id among the reversals that are under way in any cell; None when there is none."""

    async def oldest(database: Database) -> str | None:
        async with database.reading() as connection:
            return await reversal_facts.oldest_pending(connection)

    return min((each for each in await cells.gather(oldest) if each is not None), default=None)


def _page(pages: Sequence[list[Facts]], until: str, size: int) -> tuple[list[Facts], str]:
    """Return what the cells' pages of up to `size` hold up to where the first full one ends, and that end."""
    end = min((page[-1].id for page in pages if len(page) == size), default=until)
    found = merged(pages, key=attrgetter("id"), limit=sum(map(len, pages)))
    return [each for each in found if each.id <= end], end


async def _with_entries(cells: Cells, kind: EntryKind, facts: list[Facts]) -> list[Facts]:
    """Add the entries that are in other cells than their vendors."""
    apart = [each for each in facts if cells.apart(each.vendor_id, each.customer_id)] if len(cells) > 1 else []
    if not apart:
        return facts
    parts = {cells.of(part[0].customer_id): part for part in cells.split(apart, attrgetter("customer_id")).values()}

    async def read(database: Database) -> list[EntryFacts]:
        async with database.reading() as connection:
            return await entry_facts.get_entries(connection, kind, [each.id for each in parts[database]])

    entries = {entry.reference: entry for page in await cells.gather(read, list(parts)) for entry in page}
    sign = -1 if kind == EntryKind.REVERSAL else 1
    ids = {each.id for each in apart}
    return [_with_entry(each, entries.get(each.id), sign) if each.id in ids else each for each in facts]


def _with_entry(facts: Facts, entry: EntryFacts | None, sign: int) -> Facts:
    """Add the entry of the customer's cell. One in the vendor's cell is none that the customer's balance knows of."""
    if entry is None:
        return replace(facts, apart=True, entry_fits=False)
    wanted = (facts.customer_id, facts.vendor_id, sign * facts.amount)
    fits = (entry.customer_id, entry.vendor_id, entry.amount) == wanted and not facts.entry
    return replace(facts, apart=True, entry=True, entry_fits=fits, entry_linked=entry.linked)
