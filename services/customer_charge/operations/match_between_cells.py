"""Check what only several cells have: entries whose charge or reversal is in another cell, and rows in a cell where they do not belong.

Matching begins at the charges and reversals, and finds those whose entry is missing or differs. This begins at the entries. A charge or
reversal is there before its entry and never goes away, and it is read after it here: what is not there then never was.
"""

from collections.abc import Sequence
from operator import attrgetter

from services.customer_charge.domain.charge_ids import FIRST_ID
from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.domain.findings import Finding
from services.customer_charge.domain.ledger import EntryKind
from services.customer_charge.domain.reversals import ReversalState
from services.customer_charge.storage import charge_facts, entry_facts, placement, reversal_facts
from services.customer_charge.storage.entry_facts import EntryFacts
from shared.cells import Cells
from shared.database import Database

PAGE = 5_000


async def match_between_cells(cells: Cells) -> list[Finding]:
    """Check every entry and the place of every row; return what is wrong, entries with their customer. Raises Unavailable."""
    found: list[Finding] = []
    for number, database in enumerate(cells):
        async with database.reading() as connection:
            rows = await placement.misplaced(connection, number, len(cells))
        found += [Finding(f"{row}: it is in cell {number}, where it does not belong") for row in rows]
        for kind in EntryKind:
            found += await _match_entries(cells, database, kind)
    return found


async def _match_entries(cells: Cells, database: Database, kind: EntryKind) -> list[Finding]:
    found: list[Finding] = []
    after = FIRST_ID
    while True:
        async with database.reading() as connection:
            page = await entry_facts.list_entries(connection, kind, after=after, limit=PAGE)
        wrong = await _unexplained(cells, kind, page)
        found += [
            Finding(
                f"{kind.name.lower()} {entry.reference}: its state and its customer entry disagree",
                customer_id=entry.customer_id,
                subject=entry.reference,
            )
            for entry in wrong
        ]
        if len(page) < PAGE:
            return found
        after = page[-1].reference


async def _unexplained(cells: Cells, kind: EntryKind, entries: Sequence[EntryFacts]) -> list[EntryFacts]:
    """Return the entries that no charge or reversal of their vendor's cell stands behind."""
    parts = {cells.of(part[0].vendor_id): part for part in cells.split(entries, attrgetter("vendor_id")).values()}
    causes = _charges if kind == EntryKind.CHARGE else _reversals

    async def compare(database: Database) -> list[EntryFacts]:
        known = await causes(cells, database, [entry.reference for entry in parts[database]])
        return [entry for entry in parts[database] if known.get(entry.reference) != entry[1:4]]

    return [entry for page in await cells.gather(compare, list(parts)) for entry in page]


Expected = tuple[int, int, int]
"""The customer, vendor and amount of an entry."""


async def _charges(cells: Cells, database: Database, charge_ids: Sequence[str]) -> dict[str, Expected]:
    """Return the entries that charges of a cell have, or may have: those on their way are credited before they are final."""
    async with database.reading() as connection:
        facts = (await charge_facts.get_facts(connection, charge_ids)).values()
    return {
        each.id: (each.customer_id, each.vendor_id, each.amount)
        for each in facts
        if each.state == ChargeState.SUCCEEDED or (each.state == ChargeState.ACCEPTED and cells.apart(each.vendor_id, each.customer_id))
    }


async def _reversals(cells: Cells, database: Database, reversal_ids: Sequence[str]) -> dict[str, Expected]:
    """Return the entries that reversals of a cell have, or may have: those on their way are debited before they say so."""
    async with database.reading() as connection:
        facts = (await reversal_facts.get_facts(connection, reversal_ids)).values()
    return {
        each.id: (each.customer_id, each.vendor_id, -each.amount)
        for each in facts
        if each.debited or (each.state == ReversalState.ACCEPTED and cells.apart(each.vendor_id, each.customer_id))
    }
