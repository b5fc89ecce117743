"""One key, one charge: whatever is repeated, lost, flushed or killed on the way."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import grpc
import httpx
import pytest
from charging.customer_charge.v1 import customer_charge_pb2, customer_charge_pb2_grpc

from shared.local.stack import Stack
from tests.faults.proxy import Proxy
from tests.support import wait_until
from tests.system.office import Office, Partner, async_caller, caller
from tests.system.stacks import another_gateway, audit, count, flush

CHARGE = "/api/customer/increase-credit/"
STILL_RUNNING = "IDEMPOTENCY_KEY_RUNNING"


async def submit(client: httpx.AsyncClient, partner: Partner, key: str) -> httpx.Response:
    """Submit one charge of 7 as often as it takes until it is no longer answered "still running"."""
    async with asyncio.timeout(20):
        while True:
            answer = await client.post(CHARGE, json=partner.order(7), headers={"Idempotency-Key": key})
            if answer.status_code != httpx.codes.CONFLICT:
                return answer
            assert answer.json()["reason"] == STILL_RUNNING


def assert_one_charge(office: Office, partner: Partner, answers: Sequence[httpx.Response]) -> None:
    """All answers speak of one charge, one of them made it, and it moved its amount once."""
    assert {answer.status_code for answer in answers} <= {200, 202}  # 200: it was final already when it was asked for again
    (charge_id,) = {answer.json()["data"]["id"] for answer in answers}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert office.final(charge_id)["status"] == "succeeded"
    assert [charge["id"] for charge in office.charges(partner.vendor)] == [charge_id]
    assert (office.balance(partner.vendor), office.customer_balance(partner.customer)) == (993, 7)


async def test_a_hundred_parallel_submissions_of_one_key_are_one_charge(office: Office, url: str) -> None:
    """One makes it; the others replay it, or are told to come back and then replay it."""
    partner, key = office.partner(credit=1_000), str(uuid4())
    async with async_caller(url, partner.token, connections=100) as client:
        answers = await asyncio.gather(*[submit(client, partner, key) for _ in range(100)])
    assert_one_charge(office, partner, answers)


async def test_flushing_redis_between_submissions_doubles_nothing(stack: Stack, office: Office, url: str) -> None:
    """Claims and messages are a fast path: without them PostgreSQL still knows the key."""
    partner, key = office.partner(credit=1_000), str(uuid4())
    answers: list[httpx.Response] = []
    async with async_caller(url, partner.token, connections=100) as client:
        for _ in range(3):
            round_ = [asyncio.create_task(submit(client, partner, key)) for _ in range(33)]
            await asyncio.wait(round_, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(flush, stack)
            answers += await asyncio.gather(*round_)
    assert_one_charge(office, partner, answers)


def test_both_doors_know_the_same_key(stack: Stack, office: Office, url: str) -> None:
    """A charge made over gRPC is replayed over REST."""
    partner, key = office.partner(credit=1_000), str(uuid4())
    with grpc.insecure_channel(stack.environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"]) as channel:
        made = customer_charge_pb2_grpc.ChargeServiceStub(channel).IncreaseCredit(
            customer_charge_pb2.IncreaseCreditRequest(vendor_id=partner.vendor, customer_id=partner.customer, amount=7),
            metadata=(("authorization", f"Token {partner.token}"), ("idempotency-key", key)),
            timeout=10,
        )
    with caller(url, partner.token) as client:
        replayed = client.post(CHARGE, json=partner.order(7), headers={"Idempotency-Key": key})
        other = client.post(CHARGE, json=partner.order(8), headers={"Idempotency-Key": key})
    assert (replayed.is_success, replayed.json()["data"]["id"]) == (True, made.data.id)
    assert replayed.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["reason"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert office.final(made.data.id)["status"] == "succeeded"


@pytest.mark.parametrize("loses", ["the connection", "the process"])
def test_a_charge_without_a_key_whose_reply_is_lost_inside_is_one_charge_and_is_answered(stack: Stack, office: Office, loses: str) -> None:
    """The door made the ids before it first sent the call, so it may ask again when the commit's answer never came."""
    partner = office.partner(credit=1_000)
    with (
        Proxy(stack.environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"]) as proxy,
        another_gateway(stack, {"CHARGING_CUSTOMER_CHARGE_ADDRESS": proxy.address}) as url,
        caller(url, partner.token) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        assert client.get("/api/customer/charges/").status_code == httpx.codes.OK
        proxy.hold_answers()
        answer = pool.submit(client.post, CHARGE, json=partner.order(7))
        wait_until(committed(stack, partner.vendor), "the charge to be committed")
        assert not answer.done()
        if loses == "the process":
            stack.kill("customer_charge")
        proxy.cut()
        proxy.heal()
        assert_one_charge(office, partner, [answer.result(20)])
    stack.wait_ready()
    audit(stack)


def committed(stack: Stack, vendor: int) -> Callable[[], bool]:
    """Return a condition: the vendor has one charge in the database."""
    statement = "SELECT count(*) FROM customer_charge.charges WHERE vendor_id = %s"
    return lambda: count(stack, statement, (vendor,)) == 1
