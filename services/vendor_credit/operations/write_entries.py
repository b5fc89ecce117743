"""Write what a batch posted: the entries, the heads they moved, and the facts that the vendors' feeds are to show."""

from collections.abc import Mapping, Sequence

from services.vendor_credit.domain.facts import facts_of
from services.vendor_credit.domain.ledger import Account, Entry
from services.vendor_credit.storage import accounts, fact_outbox
from shared.database import Connection, Written, expect_rows


async def write_entries(connection: Connection, locked: Mapping[int, Account], entries: Sequence[Entry]) -> None:
    """Write new entries of locked vendors, and the facts they make into the outbox, in the caller's transaction."""
    for cursor, rows, what in await send_entries(connection, locked, entries):
        expect_rows(cursor, rows, what)


async def send_entries(connection: Connection, locked: Mapping[int, Account], entries: Sequence[Entry]) -> list[Written]:
    """Write like `write_entries`; returns what was sent and how many rows it must write, for the caller to check."""
    written = await accounts.send_postings(connection, locked, entries)
    if facts := facts_of(locked, entries):
        written.append((await fact_outbox.insert_facts(connection, facts), len(facts), "facts"))
    return written
