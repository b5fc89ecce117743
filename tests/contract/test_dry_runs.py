"""Dry runs at both doors: every check, and not a trace."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb
from google.rpc import error_details_pb2
from redis.asyncio import Redis

from shared.admission.asks import key_of
from tests.contract.contract import response_of
from tests.contract.world import CHARGES, MISSING_CHARGE, MISSING_ID, REQUESTS, VENDORS, World

CHARGE_PATH = "/api/customer/increase-credit/"
AVAILABLE = 500


@pytest.fixture
async def vendor(world: World) -> int:
    """Give a vendor of the operators with some credit, half of it approved and not posted yet."""
    vendor = await world.vendor()
    for amount in (AVAILABLE // 2, AVAILABLE // 2):
        request = vendor_pb.SubmitCreditRequestRequest(vendor_id=vendor, amount=amount)
        made = await world.call(REQUESTS + "SubmitCreditRequest", request, world.stack.tokens["oscar"])
        await world.stack.settle()
        await world.call(REQUESTS + "ApproveCreditRequest", vendor_pb.ApproveCreditRequestRequest(id=made.data.id), world.operator)
    return vendor


@pytest.fixture
async def traceless(world: World, vendor: int) -> AsyncIterator[str]:
    """Give an idempotency key, and check afterwards that no row changed and nobody claimed the key."""
    before, key = world.stack.fingerprint(), str(uuid4())
    yield key
    assert world.stack.fingerprint() == before
    async with Redis.from_url(world.stack.redis_url) as redis:
        claims = [key_of("claim", "vendor", str(vendor), key)]
        claims += [key_of("claim", "principal", f"user:{world.stack.user_ids['olga']}", REQUESTS + "SubmitCreditRequest", key)]
        assert await redis.exists(*claims) == 0


async def dry_run(world: World, vendor: int, amount: int, key: str, token: str = "", **changes: Any) -> httpx.Response:
    """Send a charge that is a dry run."""
    body = {"vendor": vendor, "customer": world.ours.customer, "amount": amount, "dry_run": True, **changes}
    headers = {"idempotency-key": key, "prefer": "wait=1"}
    return await world.stack.send("POST", CHARGE_PATH, token or world.operator, body, headers=headers)


async def test_a_charge_within_the_credit_is_validated(world: World, vendor: int, traceless: str) -> None:
    """200 with a status of its own, no charge and no Location; approved credit counts before it is posted."""
    answer = await dry_run(world, vendor, AVAILABLE, traceless)
    assert (answer.status_code, answer.json()) == (200, {"status": "validated"})
    assert "location" not in answer.headers


async def test_a_charge_beyond_the_credit_answers_402(world: World, vendor: int, traceless: str) -> None:
    """The problem says what is available and what is missing."""
    answer = await dry_run(world, vendor, AVAILABLE + 70, traceless)
    document = answer.json()
    assert (answer.status_code, document["reason"], answer.headers["content-type"]) == (
        402,
        "INSUFFICIENT_CREDIT",
        "application/problem+json",
    )
    assert document["metadata"] == {"vendor_id": str(vendor), "available": str(AVAILABLE), "shortfall": "70"}


async def test_a_suspended_vendor_is_told_so(world: World, vendor: int) -> None:
    """409, though the charge itself would be accepted and then fail."""
    await world.call(VENDORS + "UpdateVendor", vendor_pb.UpdateVendorRequest(id=vendor, suspended=True), world.operator)
    answer = await dry_run(world, vendor, 1, str(uuid4()))
    assert (answer.status_code, answer.json()["reason"]) == (409, "VENDOR_SUSPENDED")


async def test_existence_and_ownership_are_checked(world: World, vendor: int, traceless: str) -> None:
    """As for the charge itself, with the same answers."""
    missing = await dry_run(world, vendor, 1, traceless, customer=MISSING_ID)
    assert (missing.status_code, missing.json()["reason"]) == (404, "CUSTOMER_NOT_FOUND")
    for token in (world.ours.token, world.operator):
        wanted = vendor if token == world.ours.token else MISSING_ID
        answer = await dry_run(world, wanted, 1, traceless, token)
        assert (answer.status_code, answer.json()["reason"]) == (404, "VENDOR_NOT_FOUND")
    wrong = await dry_run(world, vendor, 0, traceless)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "amount")


async def test_the_real_charge_with_the_same_key_is_its_first(world: World, vendor: int) -> None:
    """A dry run before it makes it neither a replay nor a conflict."""
    key = str(uuid4())
    await dry_run(world, vendor, AVAILABLE, key)
    answer = await dry_run(world, vendor, AVAILABLE, key, dry_run=False)
    assert answer.json()["data"]["amount"] == AVAILABLE
    assert "idempotent-replayed" not in answer.headers


async def test_the_items_of_a_batch_are_checked_one_after_the_other(world: World, vendor: int, traceless: str) -> None:
    """As if those before had been charged; a refused one takes nothing, and every error carries what it speaks of."""
    amounts = (AVAILABLE - 100, 150, 100, 1)
    items = [
        {"vendor": vendor, "customer": world.ours.customer, "amount": amount, "idempotency_key": f"{traceless}-{amount}"}
        for amount in amounts
    ]
    items.append({**items[0], "customer": MISSING_ID})
    answer = await world.stack.send("POST", f"{CHARGE_PATH}batch/", world.operator, {"items": items, "dry_run": True})
    assert (answer.status_code, answer.json()["status"]) == (200, "validated")
    results = answer.json()["results"]
    assert [result.get("valid", result.get("error", {}).get("reason")) for result in results] == [
        True,
        "INSUFFICIENT_CREDIT",
        True,
        "INSUFFICIENT_CREDIT",
        "CUSTOMER_NOT_FOUND",
    ]
    assert [results[index]["error"]["metadata"]["shortfall"] for index in (1, 3)] == ["50", "1"]
    assert not any("charge" in result for result in results)


async def test_a_real_batch_says_nothing_of_dry_runs(world: World, vendor: int) -> None:
    """The documented shape: results, and in each the charge or the error."""
    items = [{"vendor": vendor, "customer": world.ours.customer, "amount": 1, "idempotency_key": str(uuid4())}]
    answer = await world.stack.send("POST", f"{CHARGE_PATH}batch/", world.operator, {"items": items})
    assert (answer.status_code, set(answer.json()), set(answer.json()["results"][0])) == (202, {"results"}, {"charge", "replayed"})


async def test_a_credit_request_is_checked_alike(world: World, vendor: int, traceless: str) -> None:
    """Validated, or the vendor is missing."""
    headers = {"idempotency-key": traceless}
    body = {"requester": vendor, "amount": 10, "dry_run": True}
    answer = await world.stack.send("POST", "/api/vendor/submit-request/", world.operator, body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"status": "validated"})
    body["requester"] = MISSING_ID
    answer = await world.stack.send("POST", "/api/vendor/submit-request/", world.operator, body, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (404, "VENDOR_NOT_FOUND")


async def test_a_reversal_is_checked_alike(world: World, vendor: int, traceless: str) -> None:
    """Validated without Location; what is too much, not there, another's or malformed gets the reversal's own answer."""
    charge, headers = world.ours.charge, {"idempotency-key": traceless, "prefer": "wait=1"}

    async def check(charge: str, token: str = "", **changes: Any) -> httpx.Response:
        body = {"reason": "a mistake", "dry_run": True, **changes}
        return await world.stack.send("POST", f"/api/customer/charges/{charge}/reverse/", token or world.operator, body, headers=headers)

    answer = await check(charge, world.ours.token)
    assert (answer.status_code, answer.json(), "location" in answer.headers) == (200, {"status": "validated"}, False)
    answer = await check(charge, amount=10**9)
    assert (answer.status_code, answer.json()["reason"]) == (409, "REVERSAL_EXCEEDS_CHARGE")
    for missing, token in ((MISSING_CHARGE, world.operator), (charge, world.theirs.token)):
        answer = await check(missing, token)
        assert (answer.status_code, answer.json()["reason"]) == (404, "CHARGE_NOT_FOUND")
    answer = await check(charge, reason="")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "reason")


async def test_grpc_answers_the_same(world: World, vendor: int, traceless: str) -> None:
    """VALIDATED, or FAILED_PRECONDITION with the reason and its variables."""
    for amount, reason in ((AVAILABLE, ""), (AVAILABLE + 1, "INSUFFICIENT_CREDIT")):
        request = charge_pb.IncreaseCreditRequest(vendor_id=vendor, customer_id=world.ours.customer, amount=amount, dry_run=True)
        reply = await world.stack.call(CHARGES + "IncreaseCredit", request, world.operator, metadata=[("idempotency-key", traceless)])
        assert reply.reason == reason
        if reason:
            assert reply.code is grpc.StatusCode.FAILED_PRECONDITION
            assert dict(reply.detail(error_details_pb2.ErrorInfo).metadata)["shortfall"] == "1"
        else:
            answer = response_of(CHARGES + "IncreaseCredit", reply.content)
            assert (answer.status, answer.HasField("data")) == (charge_pb.CHARGE_STATE_VALIDATED, False)
