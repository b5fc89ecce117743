"""ACCEPT of a reversal: make it durable, with its share of the charge taken, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.customer_charge.domain.reversals import PendingReversal, Reversal, ReversalOrder, ReversibleCharge, amount_to_reverse
from services.customer_charge.storage import charges, pending_reversals, reversal_keys, reversals, reversed_charges
from services.customer_charge.storage.charge_keys import KeyState
from shared.audit_log.recording import record_action
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import Conflict, IdempotencyKeyReused, NotFound


@dataclass(frozen=True, slots=True)
class AcceptedReversal:
    """An accepted reversal as it is now; `replayed` when an earlier call with the same key had made it."""

    reversal: Reversal
    replayed: bool


async def reverse_charge(
    cells: Cells, order: ReversalOrder, visible_vendors: Sequence[int] | None, *, logged_as: str | None = None
) -> AcceptedReversal:
    """Accept a reversal once per (vendor of the charge, key): key row, share of the charge, reversal and pending row.

    All of it is in the charge's cell, and a charge never leaves its own: it is looked for before, where there are several it may be in.

    `logged_as` is the operator as whose action it is logged, None for anybody else.
    Raises NotFound for a charge that is missing or not of the visible vendors (None: all), FailedPrecondition (CHARGE_NOT_SUCCEEDED,
    REVERSAL_EXCEEDS_CHARGE), IdempotencyKeyReused for a key used for anything else, and Conflict (KEY_SEALED). An error leaves nothing
    behind, not even the key. Repeatable after an unknown outcome.
    """
    database = await _cell_of(cells, order.charge_id, visible_vendors)

    async def work(connection: Connection) -> AcceptedReversal:
        # A charge never changes its vendor, so an unlocked read names it; the lock order is keys, then charges.
        found = await charges.get_charges(connection, [order.charge_id], visible_vendors)
        if order.charge_id not in found:
            raise NotFound.of("charge", order.charge_id)
        vendor_id = found[order.charge_id].vendor_id
        now = utc_now()
        if not await reversal_keys.insert_key(connection, vendor_id, order, now):
            return await _known(connection, vendor_id, order)
        charge = (await reversed_charges.lock_charges(connection, [order.charge_id]))[order.charge_id]
        amount = amount_to_reverse(charge, order.asked_amount)
        await _write(connection, order, charge, amount, now)
        accepted = AcceptedReversal(await _existing(connection, order.reversal_id), replayed=False)
        if logged_as is not None:
            details = {"reversal": order.reversal_id, "vendor": vendor_id, "amount": amount, "reason": order.reason}
            await record_action(
                connection, now=now, actor=logged_as, action="reverse_charge", target=f"charge:{charge.id}", details=details
            )
        return accepted

    return await database.transact(work)


async def _cell_of(cells: Cells, charge_id: str, visible_vendors: Sequence[int] | None) -> Database:
    """Return the cell a charge is in, or the only one that it can be in. Raises NotFound, Unavailable where that cannot be told."""
    candidates = cells.of_some(visible_vendors)
    if len(candidates) == 1:
        return candidates[0]

    async def look(database: Database) -> Database | None:
        async with database.reading() as connection:
            return database if await charges.get_charges(connection, [charge_id], visible_vendors) else None

    found = await cells.find(look, candidates)
    if found is None:
        raise NotFound.of("charge", charge_id)
    return found


async def preview_reversal(cells: Cells, order: ReversalOrder, visible_vendors: Sequence[int] | None) -> None:
    """Check a reversal as `reverse_charge` would, and change nothing; its key is not looked at.

    Raises NotFound and FailedPrecondition as there. What others reserve in the next moment, or the customer holds by then, is not known.
    """

    async def look(database: Database) -> ReversibleCharge | None:
        async with database.reading() as connection:
            return await reversed_charges.get_charge(connection, order.charge_id, visible_vendors)

    charge = await cells.find(look, cells.of_some(visible_vendors))
    if charge is None:
        raise NotFound.of("charge", order.charge_id)
    amount_to_reverse(charge, order.asked_amount)


async def _write(connection: Connection, order: ReversalOrder, charge: ReversibleCharge, amount: int, now: datetime) -> None:
    await reversed_charges.reserve_amount(connection, charge.id, amount)
    await reversals.insert_reversal(connection, order, charge, amount, now)
    pending = PendingReversal(order.reversal_id, charge.id, charge.vendor_id, charge.customer_id, amount)
    await pending_reversals.insert_pending(connection, pending, now)


async def _known(connection: Connection, vendor_id: int, order: ReversalOrder) -> AcceptedReversal:
    """Return the reversal that the key made before, or raise what else the key stands for."""
    key = await reversal_keys.get_key(connection, vendor_id, order.key)
    if key.state == KeyState.SEALED:
        raise Conflict("this idempotency key was sealed: nothing can be made with it", reason="KEY_SEALED")
    if key.reversal_id is None:
        raise IdempotencyKeyReused("this idempotency key was used before for a charge")
    reversal = await _existing(connection, key.reversal_id)
    if not reversal.made_by(order):
        raise IdempotencyKeyReused("this idempotency key was used before for another reversal")
    # The same reversal id is our own order, sent again because the outcome of the first try was unknown.
    return AcceptedReversal(reversal, replayed=key.reversal_id != order.reversal_id)


async def _existing(connection: Connection, reversal_id: str) -> Reversal:
    reversal = await reversals.get_reversal(connection, reversal_id)
    assert reversal is not None  # noqa: S101 - written in this transaction, or committed with its key
    return reversal
