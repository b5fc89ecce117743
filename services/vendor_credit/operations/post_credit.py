"""Post approved credit to the ledger, exactly once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from services.vendor_credit.domain.credit_requests import CreditRequest
from services.vendor_credit.domain.ledger import Account, Entry, EntryKind
from services.vendor_credit.operations.write_entries import write_entries
from services.vendor_credit.storage import accounts, credit_requests
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database

SWEEP_VENDORS = 1_000
"""Most vendors of one cell posted in one sweep."""


async def post_credit(cells: Cells, vendor_ids: Iterable[int]) -> int:
    """Post what is approved and not posted for the vendors; return how many requests were posted.

    Safe to run at any time, by any number of workers: only requests found approved under the vendor's lock are posted.
    """
    wanted = list(vendor_ids)
    return sum(await cells.gather(lambda database: _post_cell(database, wanted), cells.of_some(wanted)))


async def _post_cell(database: Database, wanted: Sequence[int]) -> int:
    """Post for those of the vendors that this cell has."""

    async def work(connection: Connection) -> int:
        locked = await accounts.lock_accounts(connection, wanted)
        entries = await post_approved(connection, locked, utc_now())
        await write_entries(connection, locked, entries)
        return len(entries)

    return await database.transact(work)


async def post_approved(connection: Connection, locked: Mapping[int, Account], now: datetime) -> list[Entry]:
    """Confirm the approved requests of locked vendors and return the entries to write; moves the heads in `locked`."""
    return await post(connection, locked, await credit_requests.approved_requests(connection, list(locked)), now)


async def post(connection: Connection, locked: Mapping[int, Account], approved: Sequence[CreditRequest], now: datetime) -> list[Entry]:
    """Confirm requests that were found approved under their vendors' locks, like `post_approved`.

    What is approved for a stopped vendor waits until it is released.
    """
    due = [request for request in approved if not locked[request.vendor_id].stopped]
    if due:
        await credit_requests.confirm_requests(connection, [request.id for request in due], now)
    return [locked[request.vendor_id].post(EntryKind.CREDIT, request.amount, str(request.id), now) for request in due]


async def sweep_unposted(cells: Cells) -> int:
    """Post whatever was approved and that no worker was woken for; return how many requests were posted.

    Raises Unavailable for a cell that is out of reach, once the others are done.
    """
    return sum(await cells.gather(_sweep_cell))


async def _sweep_cell(database: Database) -> int:
    async with database.reading() as connection:
        vendor_ids = await credit_requests.unposted_vendors(connection, limit=SWEEP_VENDORS)
    return await _post_cell(database, vendor_ids) if vendor_ids else 0
