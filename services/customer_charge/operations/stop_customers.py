"""Stop customers whose books are broken, and release them when a person has looked."""

from collections.abc import Mapping

import structlog

from services.customer_charge.storage import accounts, customers, pending_charges, stops
from services.customer_charge.storage.customers import Customer
from shared.audit_log.recording import record_action
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import NotFound, Unavailable

log = structlog.get_logger(__name__)


async def stop_customers(cells: Cells, findings: Mapping[int, str], *, actor: str) -> list[int]:
    """Stop the customers, each for its finding, and return those that this call stopped. Stopped ones and missing ones stay as they are.

    From the commit on nothing is credited to a stopped customer or taken from it: its charges are refused (ACCOUNT_STOPPED), and what was
    debited for it already is set aside until it is released. Raises Unavailable when one of their cells is out of reach, with the customers
    of the others stopped.
    """
    parts = {
        cells.of(part[0]): {customer_id: findings[customer_id] for customer_id in part}
        for part in cells.split(findings, lambda customer_id: customer_id).values()
    }
    stopped = await cells.gather(lambda database: _stop(database, parts[database], actor), list(parts))
    return [customer_id for part in stopped for customer_id in part]


async def _stop(database: Database, findings: Mapping[int, str], actor: str) -> list[int]:
    """Stop customers of one cell."""

    async def work(connection: Connection) -> list[int]:
        now = utc_now()
        locked = await accounts.lock_accounts(connection, findings)
        stopped = await stops.stop_customers(connection, {customer_id: findings[customer_id] for customer_id in locked}, now)
        for customer_id in stopped:
            details = {"finding": findings[customer_id]}
            await record_action(connection, now=now, actor=actor, action="stop_customer", target=f"customer:{customer_id}", details=details)
        return stopped

    stopped = await database.transact(work)
    for customer_id in stopped:
        log.error("account.stopped", customer_id=customer_id, finding=findings[customer_id])
    return stopped


async def release_customer(cells: Cells, customer_id: int, *, reason: str, actor: str) -> Customer:
    """Let a stopped customer go on and return it; one that is not stopped stays as it is. Raises NotFound.

    A customer whose balance is still not what its last entry says is stopped again by the next check. What was set aside for it in its own
    cell goes on with this transaction, in other cells right after it, or when they are looked through the next time.
    """
    home = cells.of(customer_id)

    async def work(connection: Connection) -> Customer:
        if customer_id not in await accounts.lock_accounts(connection, [customer_id]):
            raise NotFound.of("customer", customer_id)
        if await stops.release_customer(connection, customer_id):
            await pending_charges.unblock_customer(connection, customer_id)
            details = {"reason": reason}
            await record_action(
                connection, now=utc_now(), actor=actor, action="release_customer", target=f"customer:{customer_id}", details=details
            )
        (customer,) = await customers.list_customers(connection, visible_vendors=None, customer_id=customer_id)
        return customer

    customer = await home.transact(work)
    try:
        await cells.gather(lambda database: _unblock(database, customer_id), [each for each in cells if each is not home])
    except Unavailable as error:
        # The customer is released, and the sweep takes on what waits for it there.
        log.warning("account.release_unheard", customer_id=customer_id, reason=error.reason)
    return customer


async def _unblock(database: Database, customer_id: int) -> None:
    """Take on again what was set aside for a customer of another cell."""

    async def work(connection: Connection) -> None:
        await pending_charges.unblock_customer(connection, customer_id)

    await database.transact(work)
