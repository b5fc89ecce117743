"""Stop customers whose books are broken, and release them when a person has looked."""

from collections.abc import Mapping

import structlog

from services.customer_charge.storage import accounts, customers, pending_charges, stops
from services.customer_charge.storage.customers import Customer
from shared.audit_log.recording import record_action
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import NotFound

log = structlog.get_logger(__name__)


async def stop_customers(database: Database, findings: Mapping[int, str], *, actor: str) -> list[int]:
    """Stop the customers, each for its finding, and return those that this call stopped. Stopped ones and missing ones stay as they are.

    From the commit on nothing is credited to a stopped customer or taken from it: its charges are refused (ACCOUNT_STOPPED), and what was
    debited for it already is set aside until it is released.
    """

    async def work(connection: Connection) -> list[int]:
        now = utc_now()
        locked = await accounts.lock_accounts(connection, findings)
        stopped = await stops.stop_customers(connection, {customer_id: findings[customer_id] for customer_id in locked}, now)
        for customer_id in stopped:
            details = {"finding": findings[customer_id]}
            await record_action(connection, now=now, actor=actor, action="stop_customer", target=f"customer:{customer_id}", details=details)
        return stopped

    stopped = await database.transact(work) if findings else []
    for customer_id in stopped:
        log.error("account.stopped", customer_id=customer_id, finding=findings[customer_id])
    return stopped


async def release_customer(database: Database, customer_id: int, *, reason: str, actor: str) -> Customer:
    """Let a stopped customer go on and return it; one that is not stopped stays as it is. Raises NotFound.

    A customer whose balance is still not what its last entry says is stopped again by the next check.
    """

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

    return await database.transact(work)
