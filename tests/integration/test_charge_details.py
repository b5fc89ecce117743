"""External id and metadata of charges: kept as they are, part of what a key stands for, and found quickly."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.customer_charge.domain.charges import Charge, ChargeOrder
from services.customer_charge.operations.accept_charges import accept_charges
from services.customer_charge.operations.read_charges import get_charge, list_charges
from services.customer_charge.storage.detailed_charges import LIST_CHARGES_BY_EXTERNAL_ID
from shared.errors import IdempotencyKeyReused
from tests.databases import Databases
from tests.integration.money import Money, open_money, order

LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
NOTES: dict[str, str] = {"branch": 'north "1", \\ {x}', "clerk": "", "name": "شعبه 😀", "control": "\x01\n"}


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


def noted(plain: ChargeOrder, external_id: str | None = None, metadata: dict[str, str] | None = None) -> ChargeOrder:
    """Return the order with notes."""
    return plain._replace(external_id=external_id, metadata=metadata)


async def listed(money: Money, **filters: Any) -> list[Charge]:
    """Return the charges that the filters leave."""
    everything = {"before_id": LAST, "vendor_ids": None, "customer_id": 0, "state": 0, "start": None, "stop": None, "limit": 100}
    return await list_charges(money.cells, **everything | {"external_id": ""} | filters)


async def test_notes_are_kept_beside_charges_without(money: Money) -> None:
    """One batch of all kinds: each charge has its own notes and no other's, also when it is settled."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    orders = [
        order(vendor_id, customer_id, 1),
        noted(order(vendor_id, customer_id, 2), "order-2"),
        noted(order(vendor_id, customer_id, 3), None, NOTES),
        order(vendor_id, customer_id, 4),
        noted(order(vendor_id, customer_id, 5), 'odd "id" {,}\\', {"k": "v"}),
    ]
    accepted = await money.accept(*orders)
    await money.settle()
    for wanted, result in zip(orders, accepted, strict=True):
        charge = await get_charge(money.cells, wanted.charge_id, None)
        assert (result.charge.external_id, result.charge.metadata) == (wanted.external_id, wanted.metadata)
        assert (charge.amount, charge.external_id, charge.metadata) == (wanted.amount, wanted.external_id, wanted.metadata)


@pytest.mark.parametrize(
    ("external_id", "metadata"),
    [(None, {"a": "1"}), ("y", {"a": "1"}), ("x", None), ("x", {"a": "2"}), ("x", {"b": "1"}), ("x", {"a": "1", "b": "1"})],
)
async def test_a_key_used_with_other_notes_is_refused(money: Money, external_id: str | None, metadata: dict[str, str] | None) -> None:
    """The notes belong to the payload, whether one is changed, added or left out; the same ones are a replay."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    (first,) = await money.accept(noted(order(vendor_id, customer_id, 10, "k"), "x", {"a": "1"}))
    other = noted(order(vendor_id, customer_id, 10, "k"), external_id, metadata)
    refused = await accept_charges(money.cells.of(vendor_id), [other], slots=money.slots)
    assert isinstance(refused.results[0], IdempotencyKeyReused)
    (again,) = await money.accept(noted(order(vendor_id, customer_id, 10, "k"), "x", {"a": "1"}))
    assert (again.replayed, again.charge.id) == (True, first.charge.id)


async def test_two_orders_of_one_batch_with_one_key_and_other_notes_are_not_one(money: Money) -> None:
    """The first makes the charge; the second is refused though both came in one transaction."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    batch = await accept_charges(
        money.cells.of(vendor_id),
        [noted(order(vendor_id, customer_id, 10, "k"), name) for name in ("a", "b", "a")],
        slots=money.slots,
    )
    assert [isinstance(result, IdempotencyKeyReused) for result in batch.results] == [False, True, False]


async def test_charges_are_found_by_external_id(money: Money) -> None:
    """Exactly that text, of the visible vendors, newest first, page by page, together with the other filters."""
    ours, theirs, customer_id = await money.vendor(1_000), await money.vendor(1_000), await money.customer()
    made = await money.accept(*[noted(order(ours, customer_id, number), "same") for number in (1, 2, 3)])
    other, _, _ = await money.accept(
        noted(order(theirs, customer_id, 4), "same"), noted(order(ours, customer_id, 5), "Same"), order(ours, customer_id, 6)
    )
    newest_first = sorted((each.charge.id for each in made), reverse=True)
    assert [charge.id for charge in await listed(money, external_id="same", vendor_ids=[ours])] == newest_first
    assert {charge.id for charge in await listed(money, external_id="same")} == {*newest_first, other.charge.id}
    first, *_ = await listed(money, external_id="same", vendor_ids=[ours], limit=1)
    rest = await listed(money, external_id="same", vendor_ids=[ours], before_id=first.id)
    assert [first.id, *(charge.id for charge in rest)] == newest_first
    assert await listed(money, external_id="same", vendor_ids=[ours], state=2) == []
    assert await listed(money, external_id="sam") == []


async def test_the_search_reads_an_index_that_holds_no_other_charges(money: Money) -> None:
    """One external id among thousands of charges is found without reading them, and charges without one are not in the index."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(3_000)])
    await money.accept(*[noted(order(vendor_id, customer_id, 1), f"order-{number}") for number in range(500)])
    values = {"external_id": "order-7", "before_id": LAST, "vendor_ids": [vendor_id], "customer_id": 0, "state": 0}
    async with money.cells.of(vendor_id).reading() as connection:
        rows = await connection.execute("EXPLAIN " + LIST_CHARGES_BY_EXTERNAL_ID, {**values, "start": None, "stop": None, "limit": 50})
        plan = "\n".join(row[0] for row in await rows.fetchall())
        cursor = await connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'charges_by_external_id'")
        index = await cursor.fetchone()
    assert "charges_by_external_id" in plan, plan
    assert index is not None
    assert "WHERE (external_id IS NOT NULL)" in index[0]
