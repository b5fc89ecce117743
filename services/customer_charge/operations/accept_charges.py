"""ACCEPT: make charges durable, one transaction for a whole batch of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.errors import UniqueViolation

from services.customer_charge.domain.charges import Charge, ChargeOrder, ChargeState, slot_of
from services.customer_charge.storage import allowed_duplicates, charge_keys, charges, detailed_charges, pending_charges
from services.customer_charge.storage.charge_keys import ChargeKey, KeyState
from services.customer_charge.storage.order_columns import OrderColumns
from shared.clock import utc_now
from shared.database import Connection, Database, Written, expect_rows
from shared.errors import ChargingError, Conflict, IdempotencyKeyReused


class Accepted(NamedTuple):
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
    results = await _accept(database, orders, slots)
    # Every charge that is not final is worth a hint, also one that an earlier try of this transaction had committed without telling.
    waiting = {
        slot_of(order.vendor_id, slots)
        for order, result in zip(orders, results, strict=True)
        if isinstance(result, Accepted) and result.charge.state == ChargeState.ACCEPTED
    }
    return AcceptedBatch(results, waiting)


async def _accept(database: Database, orders: Sequence[ChargeOrder], slots: int) -> list[Accepted | ChargingError]:
    """Accept the orders whose keys are believed to be new in one round trip, and look the others up first."""
    known = [order for order in orders if order.known]
    if not known:
        return await _accept_new(database, orders, slots)
    new = [order for order in orders if not order.known]
    one, other = await asyncio.gather(_accept_new(database, new, slots) if new else _nothing(), _accept_any(database, known, slots))
    results = dict(zip([order.charge_id for order in (*new, *known)], (*one, *other), strict=True))
    return [results[order.charge_id] for order in orders]


async def _nothing() -> list[Accepted | ChargingError]:
    return []


async def _accept_new(database: Database, orders: Sequence[ChargeOrder], slots: int) -> list[Accepted | ChargingError]:
    """Accept orders none of whose keys was ever used, as nearly always; when one was, nothing of this happened and they are looked up."""
    columns = OrderColumns.of(orders)

    async def work(connection: Connection) -> tuple[datetime, list[Written]]:
        now = utc_now()
        keys = await charge_keys.insert_new_keys(connection, columns, now)
        made = await _insert(connection, orders, columns, now)
        pending = await _insert_pending(connection, orders, columns, slots, now)
        return now, [(keys, columns.rows, "keys"), *made, *pending]

    try:
        now, sent = await database.transact_at_once(work)
    except UniqueViolation:  # of a key, or of a charge id: an order of ours that is sent again
        return await _accept_any(database, orders, slots, marked=True)
    # The statements write all of their rows or fail, so this is an alarm that comes after the fact; the orders may be repeated.
    for cursor, rows, what in sent:
        expect_rows(cursor, rows, what)
    return [Accepted(_new_charge(order, now), replayed=False) for order in orders]


async def _accept_any(
    database: Database, orders: Sequence[ChargeOrder], slots: int, *, marked: bool = False
) -> list[Accepted | ChargingError]:
    """Accept the orders whose keys are new, and find out what the other keys stand for.

    `marked` for orders that were tried before: what is found may be of that try, whose COMMIT nobody saw answered.
    """

    async def work(connection: Connection) -> list[Accepted | ChargingError]:
        now = utc_now()
        inserted = await charge_keys.insert_keys(connection, OrderColumns.of(orders), now)
        fresh_ids = {row[0] for row in await inserted.fetchall()}
        # Effects come only from key rows that this transaction inserted.
        fresh = [order for order in orders if order.charge_id in fresh_ids]
        if fresh:
            columns = OrderColumns.of(fresh)
            made_rows = await _insert(connection, fresh, columns, now)
            pending = await _insert_pending(connection, fresh, columns, slots, now)
            for cursor, rows, what in (*made_rows, *pending):
                expect_rows(cursor, rows, what)
        made = {order.charge_id: Accepted(_new_charge(order, now), replayed=False) for order in fresh}
        known = await _known(connection, [order for order in orders if order.charge_id not in fresh_ids])
        return [made.get(order.charge_id) or known[order.charge_id] for order in orders]

    return await database.transact(work, marked=marked)


async def _insert(connection: Connection, orders: Sequence[ChargeOrder], columns: OrderColumns, now: datetime) -> list[Written]:
    """Add the charges, those with notes by a statement of their own; return what was sent and how many rows it must write."""
    detailed = [order for order in orders if order.detailed]
    if not detailed:
        return [(await charges.insert_charges(connection, columns, now), columns.rows, "charges")]
    sent: list[Written] = [(await detailed_charges.insert_detailed_charges(connection, detailed, now), len(detailed), "charges")]
    if plain := [order for order in orders if not order.detailed]:
        sent.append((await charges.insert_charges(connection, OrderColumns.of(plain), now), len(plain), "charges"))
    return sent


async def _insert_pending(
    connection: Connection, orders: Sequence[ChargeOrder], columns: OrderColumns, slots: int, now: datetime
) -> list[Written]:
    """Add the work, that of charges which may be duplicates by a statement of its own; return as `_insert` does."""
    allowed = [order for order in orders if order.allow_duplicate]
    if not allowed:
        return [(await pending_charges.insert_pending(connection, columns, slots, now), columns.rows, "pending charges")]
    inserted = await allowed_duplicates.insert_allowed_pending(connection, OrderColumns.of(allowed), slots, now)
    sent: list[Written] = [(inserted, len(allowed), "pending charges")]
    if plain := [order for order in orders if not order.allow_duplicate]:
        sent.append((await pending_charges.insert_pending(connection, OrderColumns.of(plain), slots, now), len(plain), "pending charges"))
    return sent


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
        allow_duplicate=order.allow_duplicate,
    )
