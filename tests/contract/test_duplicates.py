"""The guard against duplicates at both doors."""

from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb

from tests.contract.world import CHARGES, VENDORS, World

CHARGE_PATH = "/api/customer/increase-credit/"
WINDOW = 3_600
WINDOW_MAX = 86_400


@pytest.fixture
async def vendor(world: World) -> int:
    """Give a vendor with credit and a window."""
    request = vendor_pb.CreateVendorRequest(name="Guarded", credit_limit=1_000, duplicate_window_seconds=WINDOW)
    return int((await world.call(VENDORS + "CreateVendor", request, world.operator)).data.id)


async def charge(world: World, vendor: int, key: str = "", **changes: Any) -> httpx.Response:
    """Send a charge."""
    body = {"vendor": vendor, "customer": world.ours.customer, "amount": 7, **changes}
    return await world.stack.send("POST", CHARGE_PATH, world.operator, body, headers={"idempotency-key": key or str(uuid4())})


async def became(world: World, answer: httpx.Response) -> tuple[str, str | None]:
    """Return the final state of an accepted charge, and why it failed."""
    assert answer.status_code == 202, answer.text
    await world.stack.settle()
    found = await world.stack.send("GET", answer.headers["location"], world.operator)
    data = found.json()["data"]
    return data["status"], data.get("failure", {}).get("reason")


async def test_a_repetition_is_accepted_and_fails(world: World, vendor: int) -> None:
    """202 and then `failed`; the one that says it is meant succeeds."""
    assert await became(world, await charge(world, vendor)) == ("succeeded", None)
    assert await became(world, await charge(world, vendor)) == ("failed", "duplicate_charge")
    assert await became(world, await charge(world, vendor, allow_duplicate=True)) == ("succeeded", None)


async def test_of_two_items_of_a_batch_the_second_fails(world: World, vendor: int) -> None:
    """The third allows it."""
    plain = {"vendor": vendor, "customer": world.ours.customer, "amount": 7}
    items = [{**plain, "idempotency_key": str(uuid4()), "allow_duplicate": allowed} for allowed in (False, False, True)]
    answer = await world.stack.send("POST", f"{CHARGE_PATH}batch/", world.operator, {"items": items})
    await world.stack.settle()
    states = []
    for result in answer.json()["results"]:
        found = await world.stack.send("GET", f"/api/customer/charges/{result['charge']['id']}/", world.operator)
        states.append(found.json()["data"]["status"])
    assert states == ["succeeded", "failed", "succeeded"]


async def test_a_dry_run_tells_a_duplicate(world: World, vendor: int) -> None:
    """409 at the one door, FAILED_PRECONDITION at the other; allowed it is validated."""
    assert await became(world, await charge(world, vendor)) == ("succeeded", None)
    answer = await charge(world, vendor, dry_run=True)
    assert (answer.status_code, answer.json()["reason"]) == (409, "DUPLICATE_CHARGE")
    assert answer.json()["metadata"] == {"vendor_id": str(vendor), "customer_id": str(world.ours.customer), "amount": "7"}
    allowed = await charge(world, vendor, dry_run=True, allow_duplicate=True)
    assert (allowed.status_code, allowed.json()) == (200, {"status": "validated"})
    request = charge_pb.IncreaseCreditRequest(vendor_id=vendor, customer_id=world.ours.customer, amount=7, dry_run=True)
    reply = await world.stack.call(CHARGES + "IncreaseCredit", request, world.operator, metadata=[("idempotency-key", str(uuid4()))])
    assert (reply.code, reply.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DUPLICATE_CHARGE")


async def test_a_key_means_one_permission(world: World, vendor: int) -> None:
    """422 for the same key with the other value."""
    key = str(uuid4())
    assert (await charge(world, vendor, key)).status_code == 202
    answer = await charge(world, vendor, key, allow_duplicate=True)
    assert (answer.status_code, answer.json()["reason"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_the_window_of_a_vendor_is_shown_and_changed(world: World, vendor: int) -> None:
    """Set at creation, kept by other changes, at most a day, and off at 0."""
    path = f"/api/vendor/{vendor}/"
    for change, wanted in (
        ({"credit_limit": 900}, WINDOW),
        ({"duplicate_window_seconds": WINDOW_MAX}, WINDOW_MAX),
        ({"duplicate_window_seconds": 0}, 0),
    ):
        await world.stack.send("PATCH", path, world.operator, change)
        shown = await world.stack.send("GET", path, world.operator)
        assert shown.json()["data"]["duplicate_window_seconds"] == wanted
    unfit: tuple[Any, ...] = (-1, WINDOW_MAX + 1, "60", True)
    for wrong in unfit:
        answer = await world.stack.send("PATCH", path, world.operator, {"duplicate_window_seconds": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "duplicate_window_seconds")


async def test_the_permission_is_true_or_false(world: World, vendor: int) -> None:
    """Nothing else, and the error names the field."""
    for wrong in (1, "true", []):
        answer = await charge(world, vendor, allow_duplicate=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "allow_duplicate")
