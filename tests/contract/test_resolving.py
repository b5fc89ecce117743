"""Resolving a key at the doors: what a caller learns that got no answer, also while its request is still running."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb

from services.customer_charge.acceptor import Acceptor
from services.customer_charge.domain.charges import ChargeOrder
from services.customer_charge.operations.accept_charges import Accepted
from tests.contract.contract import response_of
from tests.contract.world import CHARGE, CHARGES, MISSING_ID, World

PATH = "/api/customer/charges/resolve/"


class Gate:
    """Holds every charge between its claim and its transaction until it is opened."""

    def __init__(self, acceptor: Acceptor) -> None:
        self._accept = acceptor.accept
        self.arrived = asyncio.Event()
        self.opened = asyncio.Event()

    async def accept(self, order: ChargeOrder) -> Accepted:
        """Accept the order once the gate is open."""
        self.arrived.set()
        await self.opened.wait()
        return await self._accept(order)


@pytest.fixture
async def gate(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """Give a closed gate before ACCEPT."""
    acceptor = world.stack.customer_charge.acceptor
    gate = Gate(acceptor)
    monkeypatch.setattr(acceptor, "accept", gate.accept)
    yield gate
    gate.opened.set()


async def charge(world: World, key: str) -> httpx.Response:
    """Send a charge with a key."""
    body = {"vendor": world.ours.vendor, "customer": world.ours.customer, "amount": CHARGE, "external_id": "order-1"}
    return await world.stack.send("POST", "/api/customer/increase-credit/", world.ours.token, body, headers={"idempotency-key": key})


async def resolve(world: World, key: str, token: str = "", vendor: int = 0, **headers: str) -> httpx.Response:
    """Ask what became of a key."""
    body = {"vendor": vendor or world.ours.vendor, "idempotency_key": key}
    return await world.stack.send("POST", PATH, token or world.ours.token, body, headers=headers)


def told(answer: httpx.Response) -> tuple[int, Any]:
    """Return the status and the reason or content of an answer."""
    document = answer.json()
    return answer.status_code, document.get("reason") or document["data"]


async def test_a_used_key_answers_its_charge(world: World) -> None:
    """The same object that reading the charge gives, with all its fields."""
    key = str(uuid4())
    made = (await charge(world, key)).json()["data"]
    read = (await world.stack.send("GET", f"/api/customer/charges/{made['id']}/", world.ours.token)).json()["data"]
    answer = await resolve(world, key)
    assert told(answer) == (200, read)


async def test_an_unused_key_is_sealed(world: World) -> None:
    """`{"data": {"status": "sealed"}}`, each time; a charge with the key is 409 KEY_SEALED from then on."""
    key = str(uuid4())
    for _ in range(2):
        answer = await resolve(world, key)
        assert (answer.status_code, answer.json()) == (200, {"data": {"status": "sealed"}})
    for _ in range(2):
        assert told(await charge(world, key)) == (409, "KEY_SEALED")


async def test_a_request_in_flight_can_be_sealed(world: World, gate: Gate) -> None:
    """It holds its claim in Redis, yet its key is sealed; when it gets on it is refused, and so is everybody after it."""
    key = str(uuid4())
    running = asyncio.create_task(charge(world, key))
    await gate.arrived.wait()
    assert told(await charge(world, key)) == (409, "IDEMPOTENCY_KEY_RUNNING")
    assert told(await resolve(world, key)) == (200, {"status": "sealed"})
    gate.opened.set()
    assert told(await running) == (409, "KEY_SEALED")
    assert told(await charge(world, key)) == (409, "KEY_SEALED")
    assert told(await resolve(world, key)) == (200, {"status": "sealed"})


async def test_the_key_of_a_batch_item_is_resolved_and_sealed_alike(world: World) -> None:
    """Single charges and items share their keys."""
    used, unused = str(uuid4()), str(uuid4())

    async def batch(*keys: str) -> Any:
        items = [{"vendor": world.ours.vendor, "customer": world.ours.customer, "amount": CHARGE, "idempotency_key": key} for key in keys]
        answer = await world.stack.send("POST", "/api/customer/increase-credit/batch/", world.ours.token, {"items": items})
        return answer.json()["results"]

    (made,) = await batch(used)
    assert told(await resolve(world, used))[1]["id"] == made["charge"]["id"]
    assert told(await resolve(world, unused)) == (200, {"status": "sealed"})
    again, refused = await batch(used, unused)
    assert (again["charge"]["id"], again["replayed"]) == (made["charge"]["id"], True)
    assert refused["error"]["reason"] == "KEY_SEALED"


async def test_another_vendors_key_is_as_a_missing_vendors(world: World) -> None:
    """Whether it was used or not, nothing is told and nothing sealed; an operator cannot seal for a vendor that does not exist."""
    key = str(uuid4())
    await charge(world, key)
    before = world.stack.fingerprint()
    answers = [await resolve(world, each, world.theirs.token) for each in (key, str(uuid4()))]
    answers.append(await resolve(world, key, world.theirs.token, MISSING_ID))
    answers.append(await resolve(world, key, world.operator, MISSING_ID))
    assert [told(answer) for answer in answers] == [(404, "VENDOR_NOT_FOUND")] * 4
    assert world.stack.fingerprint() == before


async def test_resolving_can_wait_for_the_final_state(world: World) -> None:
    """`Prefer: wait` is honoured for a key that made a charge."""
    key = str(uuid4())
    await charge(world, key)
    waiting = asyncio.create_task(resolve(world, key, prefer="wait=10"))
    while not waiting.done():
        await world.stack.settle()
    answer = waiting.result()
    assert told(answer)[1]["status"] in {"succeeded", "failed"}
    assert answer.headers["preference-applied"] == "wait=10"


async def test_grpc_answers_the_same(world: World) -> None:
    """The charge's fields are present for a used key, and none but the state for a sealed one."""
    used, unused = str(uuid4()), str(uuid4())
    await charge(world, used)
    states = []
    for key in (used, unused):
        request = charge_pb.ResolveChargeRequest(vendor_id=world.ours.vendor, idempotency_key=key)
        reply = await world.stack.call(CHARGES + "ResolveCharge", request, world.ours.token)
        assert reply.code is grpc.StatusCode.OK
        states.append(response_of(CHARGES + "ResolveCharge", reply.content).data)
    assert (states[0].vendor_id, states[0].amount) == (world.ours.vendor, CHARGE)
    assert states[1] == charge_pb.ResolvedCharge(state=charge_pb.RESOLVED_STATE_SEALED)


def test_what_a_key_answers_has_every_field_of_a_charge() -> None:
    """Under the same number, of the same type; a field that is new on charges belongs there too, as an optional one."""
    resolved = charge_pb.ResolvedCharge.DESCRIPTOR.fields_by_number
    for field in charge_pb.Charge.DESCRIPTOR.fields:
        twin = resolved.get(field.number)
        assert twin is not None, f"ResolvedCharge has no {field.name} = {field.number}"
        assert (twin.name, twin.type, twin.json_name, twin.is_repeated) == (field.name, field.type, field.json_name, field.is_repeated)
        assert twin.has_presence or twin.is_repeated or twin.name == "state"
    states, answers = charge_pb.ChargeState.DESCRIPTOR.values_by_number, charge_pb.ResolvedState.DESCRIPTOR.values_by_number
    stored = {number: value for number, value in states.items() if value.name != "CHARGE_STATE_VALIDATED"}  # of dry runs alone
    assert {number: value.name.removeprefix("CHARGE") for number, value in stored.items()} == {
        number: value.name.removeprefix("RESOLVED") for number, value in answers.items() if value.name != "RESOLVED_STATE_SEALED"
    }
