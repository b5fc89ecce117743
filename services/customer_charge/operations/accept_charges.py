"""ACCEPT: make charges durable, one transaction for a whole batch of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.customer_charge.domain.charges import Charge, ChargeOrder, ChargeState, slot_of
from services.customer_charge.storage import charge_keys, charges, detailed_charges, pending_charges
from services.customer_charge.storage.charge_keys import ChargeKey, KeyState
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import ChargingError, Conflict, IdempotencyKeyReused


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted charge as it is now; `replayed` when an earlier call with the same key had made it."""

    charge: Charge
    replayed: bool


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """One result per order, in order, and the slots that have work to do."""

    results: list[Accepted | ChargingError]
    slots: set[int]


async def accept_charges(database: Database, orders: Sequence[ChargeOrder], *, slots: int) -> AcceptedBatch:
    """Accept each order once per (vendor, key): key row, charge and pending row in one transaction.

    An order whose key was used before gets the charge made then, IdempotencyKeyReused for another payload, or Conflict (KEY_SEALED).
    Orders fail alone; whatever is returned as accepted is durable. Vendor and customer must exist: that is checked before.
    """

    async def work(connection: Connection) -> list[Accepted | ChargingError]:
        now = utc_now()
        fresh_ids = await charge_keys.insert_keys(connection, orders, now)
        # Effects come only from key rows that this transaction inserted.
        fresh = [order for order in orders if order.charge_id in fresh_ids]
        if fresh:
            await _insert(connection, fresh, now)
            await pending_charges.insert_pending(connection, fresh, slots, now)
        made = {order.charge_id: Accepted(_new_charge(order, now), replayed=False) for order in fresh}
        known = await _known(connection, [order for order in orders if order.charge_id not in fresh_ids])
        return [made.get(order.charge_id) or known[order.charge_id] for order in orders]

    results = await database.transact(work)
    # Every charge that is not final is worth a hint, also one that an earlier try of this transaction had committed without telling.
    waiting = {
        slot_of(order.vendor_id, slots)
        for order, result in zip(orders, results, strict=True)
        if isinstance(result, Accepted) and result.charge.state == ChargeState.ACCEPTED
    }
    return AcceptedBatch(results, waiting)


async def _insert(connection: Connection, fresh: Sequence[ChargeOrder], now: datetime) -> None:
    detailed = [order for order in fresh if order.detailed]
    if len(detailed) < len(fresh):
        await charges.insert_charges(connection, [order for order in fresh if not order.detailed] if detailed else fresh, now)
    if detailed:
        await detailed_charges.insert_detailed_charges(connection, detailed, now)


async def _known(connection: Connection, orders: Sequence[ChargeOrder]) -> dict[str, Accepted | ChargingError]:
    """Return what the orders' keys stand for since an earlier transaction or an earlier order of this one."""
    if not orders:
        return {}
    keys = await charge_keys.get_keys(connection, sorted({(order.vendor_id, order.key) for order in orders}))
    made_ids = sorted({key.charge_id for key in keys.values() if key.charge_id is not None})
    made = await charges.get_charges(connection, made_ids)
    return {order.charge_id: _replay(keys[order.vendor_id, order.key], order, made) for order in orders}


def _replay(key: ChargeKey, order: ChargeOrder, made: dict[str, Charge]) -> Accepted | ChargingError:
    if key.state == KeyState.REVERSAL:
        return IdempotencyKeyReused("this idempotency key was used before for a reversal")
    if key.state == KeyState.SEALED or key.charge_id is None:
        return Conflict("this idempotency key was sealed: no charge can be made with it", reason="KEY_SEALED")
    # What the key row does not hold of the payload, the charge does: neither ever changes.
    if not key.made_by(order) or not order.details_of(made[key.charge_id]):
        return IdempotencyKeyReused("this idempotency key was used before for another charge")
    # The same charge id is our own order, sent again because the outcome of the first try was unknown.
    return Accepted(made[key.charge_id], replayed=key.charge_id != order.charge_id)


def _new_charge(order: ChargeOrder, now: datetime) -> Charge:
    return Charge(
        id=order.charge_id,
        vendor_id=order.vendor_id,
        customer_id=order.customer_id,
        amount=order.amount,
        state=ChargeState.ACCEPTED,
        failure_reason=None,
        available=None,
        shortfall=None,
        created_at=now,
        settled_at=None,
        external_id=order.external_id,
        metadata=order.metadata,
    )
