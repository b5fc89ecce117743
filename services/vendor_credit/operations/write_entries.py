"""Write what a batch posted: the entries, the heads they moved, and the facts that the vendors' feeds are to show."""

from collections.abc import Sequence

from services.vendor_credit.domain.facts import facts_of
from services.vendor_credit.domain.ledger import Account, Entry
from services.vendor_credit.storage import accounts, fact_outbox
from shared.database import Connection


async def write_entries(connection: Connection, locked: dict[int, Account], entries: Sequence[Entry]) -> None:
    """Write new entries of locked vendors, and the facts they make into the outbox, in the caller's transaction."""
    await accounts.write_postings(connection, locked, entries)
    if facts := facts_of(locked, entries):
        await fact_outbox.insert_facts(connection, facts)
