"""RESOLVE: tell for certain what an idempotency key stands for, and seal it when it stands for nothing."""

import structlog

from services.customer_charge.domain.charges import Charge
from services.customer_charge.storage import charge_keys, charges, sealed_keys
from services.customer_charge.storage.charge_keys import KeyState
from shared.audit_log.recording import record_action
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import IdempotencyKeyReused

log = structlog.get_logger(__name__)


async def resolve_charge(database: Database, vendor_id: int, key: str, *, logged_as: str | None = None) -> Charge | None:
    """Return the charge that the vendor's key made, as it is now, or seal the key and return None.

    The key's row decides, and there is one: ACCEPT and RESOLVE insert it in the transaction of their effect, so whoever comes second waits
    for the first and then reads what it said. Repeatable, also after an unknown outcome. The vendor must exist: that is checked before.
    `logged_as` is the operator as whose action a seal is logged, None for anybody else.
    Raises IdempotencyKeyReused for a key that made a reversal.
    """

    async def work(connection: Connection) -> Charge | None:
        now = utc_now()
        if await sealed_keys.seal_key(connection, vendor_id, key, now):
            if logged_as is not None:
                details = {"key": key}
                await record_action(connection, now=now, actor=logged_as, action="seal_key", target=f"vendor:{vendor_id}", details=details)
            return None
        # Read only now, in a statement of its own: whoever inserted the row has committed.
        row = (await charge_keys.get_keys(connection, [(vendor_id, key)]))[vendor_id, key]
        if row.state == KeyState.REVERSAL:
            raise IdempotencyKeyReused("this idempotency key was used for a reversal, not for a charge")
        if row.charge_id is None:
            return None
        return (await charges.get_charges(connection, [row.charge_id]))[row.charge_id]

    found = await database.transact(work)
    if found is None:
        log.info("charge.sealed", vendor_id=vendor_id)
    return found
