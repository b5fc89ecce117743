"""Reversing at the doors: what callers are told, at once, after a wait, when they repeat themselves, and when it cannot be."""

import asyncio
from typing import Any

import httpx
import psycopg
from charging.customer_charge.v1 import reversal_pb2

from shared.cell_numbers import schema_of
from tests.contract.world import CHARGE, MISSING_CHARGE, REVERSALS, World


async def fresh_charge(world: World) -> str:
    """Return a charge of ours that succeeded and that no other test reverses."""
    charge = await world.charge(world.ours, world.ours.customer)
    await world.stack.settle()
    return charge


async def reverse(world: World, charge: str, body: dict[str, Any], token: str = "", **headers: str) -> httpx.Response:
    """Send a reversal."""
    path = f"/api/customer/charges/{charge}/reverse/"
    return await world.stack.send(
        "POST", path, token or world.ours.token, body, headers={name.replace("_", "-"): headers[name] for name in headers}
    )


async def read(world: World, path: str, token: str = "") -> Any:
    """Return the content of what must be found."""
    answer = await world.stack.send("GET", path, token or world.ours.token)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_reversal_is_accepted_with_its_place_and_linked_both_ways(world: World) -> None:
    """202 and Location; the reversal names the charge, the charge shows what was reversed, the list finds it."""
    charge = await fresh_charge(world)
    answer = await reverse(world, charge, {"amount": 40, "reason": "wrong number"})
    data = answer.json()["data"]
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert answer.headers["location"] == f"/api/customer/reversals/{data['id']}/"
    assert (data["charge"], data["amount"], data["reason"], data["status"]) == (charge, 40, "wrong number", "accepted")
    assert (await read(world, f"/api/customer/charges/{charge}/"))["data"]["reversed_amount"] == 0
    await world.stack.settle()
    after = (await read(world, f"/api/customer/charges/{charge}/"))["data"]
    assert (after["status"], after["reversed_amount"]) == ("succeeded", 40)
    found = (await read(world, f"/api/customer/reversals/?charge={charge}"))["results"]
    assert [(each["id"], each["status"]) for each in found] == [(data["id"], "succeeded")]
    assert (await read(world, answer.headers["location"]))["data"] == found[0]


async def test_who_waits_is_answered_with_the_final_state(world: World) -> None:
    """200 when it comes in time, 202 when it does not."""
    charge = await fresh_charge(world)
    late = await reverse(world, charge, {"amount": 1, "reason": "x"}, prefer="wait=1")
    assert (late.status_code, late.json()["status"]) == (202, "accepted")
    waiting = asyncio.create_task(reverse(world, charge, {"amount": 2, "reason": "x"}, prefer="wait=20"))
    while not waiting.done():
        await world.stack.settle()
        await asyncio.sleep(0)
    answer = waiting.result()
    assert (answer.status_code, answer.json()["status"], answer.json()["data"]["status"]) == (200, "succeeded", "succeeded")


async def test_a_repeated_key_is_one_reversal_and_another_payload_is_refused(world: World) -> None:
    """The replay says so and shows the reversal as it is now; two principals of one vendor share its keys."""
    charge = await fresh_charge(world)
    first = await reverse(world, charge, {"reason": "x"}, idempotency_key="reversal-1")
    await world.stack.settle()
    again = await reverse(world, charge, {"reason": "x"}, idempotency_key="reversal-1")
    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.json()["data"]["id"], again.json()["data"]["status"]) == (first.json()["data"]["id"], "succeeded")
    by_service = await reverse(world, charge, {"reason": "x"}, world.stack.tokens["sensor"], idempotency_key="reversal-1")
    assert by_service.json()["data"]["id"] == first.json()["data"]["id"]
    other = await reverse(world, charge, {"reason": "y"}, idempotency_key="reversal-1")
    assert (other.status_code, other.json()["reason"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    resolved = await world.stack.send(
        "POST", "/api/customer/charges/resolve/", world.ours.token, {"vendor": world.ours.vendor, "idempotency_key": "reversal-1"}
    )
    assert (resolved.status_code, resolved.json()["reason"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_what_cannot_be_reversed_is_refused_with_a_reason(world: World) -> None:
    """More than the charge, a charge that is not final, and one that is not there."""
    charge = await fresh_charge(world)
    more = await reverse(world, charge, {"amount": CHARGE + 1, "reason": "x"})
    assert (more.status_code, more.json()["reason"]) == (409, "REVERSAL_EXCEEDS_CHARGE")
    young = await reverse(world, await world.charge(world.ours, world.ours.customer), {"reason": "x"})
    assert (young.status_code, young.json()["reason"]) == (409, "CHARGE_NOT_SUCCEEDED")
    missing = await reverse(world, MISSING_CHARGE, {"reason": "x"})
    assert (missing.status_code, missing.json()["reason"]) == (404, "CHARGE_NOT_FOUND")
    theirs = await reverse(world, charge, {"reason": "x"}, world.theirs.token)
    assert (theirs.status_code, theirs.json()["reason"]) == (404, "CHARGE_NOT_FOUND")


async def test_a_failed_reversal_tells_a_partner_nothing_of_the_customers_balance(world: World) -> None:
    """The reason is for everybody; what the customer held, for operators."""
    charge = await fresh_charge(world)
    made = await reverse(world, charge, {"reason": "x"})
    schema = schema_of("customer_charge", world.ours.customer % world.stack.databases.cells, world.stack.databases.cells)
    with psycopg.connect(world.stack.databases.admin_url, options=f"-c search_path={schema}", autocommit=True) as admin:
        (held,) = admin.execute("SELECT balance FROM customers WHERE id = %s", [world.ours.customer]).fetchone() or (0,)
        admin.execute("UPDATE customers SET balance = 7 WHERE id = %s", [world.ours.customer])
        await world.stack.settle()
        admin.execute("UPDATE customers SET balance = %s WHERE id = %s", [held, world.ours.customer])
    shown = (await read(world, made.headers["location"]))["data"]
    assert (shown["status"], shown["failure"]) == ("failed", {"reason": "insufficient_customer_balance"})
    whole = (await read(world, made.headers["location"], world.operator))["data"]["failure"]
    assert (whole["available"], whole["shortfall"]) == (7, CHARGE - 7)


async def test_grpc_answers_the_same(world: World) -> None:
    """The other door: accepted, then read again."""
    charge = await fresh_charge(world)
    request = reversal_pb2.ReverseChargeRequest(id=charge, reason="x")
    made = await world.call(REVERSALS + "ReverseCharge", request, world.ours.token)
    assert (made.status, made.data.amount) == (reversal_pb2.REVERSAL_STATE_ACCEPTED, CHARGE)
    await world.stack.settle()
    found = await world.call(REVERSALS + "GetReversal", reversal_pb2.GetReversalRequest(id=made.data.id), world.ours.token)
    assert (found.data.state, found.data.charge_id) == (reversal_pb2.REVERSAL_STATE_SUCCEEDED, charge)
