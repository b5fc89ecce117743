"""The feed of events as partners and operators read it, at both doors."""

from typing import Any

import grpc
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import events_pb2
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb

from tests.contract.contract import response_of
from tests.contract.world import CHARGE, CREDIT, VENDORS, World

EVENTS = "/charging.customer_charge.v1.EventService/"


async def feed(world: World, path: str, token: str) -> dict[str, Any]:
    """Read the feed over HTTP."""
    answer = await world.stack.send("GET", path, token)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def test_the_feed_shows_credit_and_charges_by_number(world: World) -> None:
    """REST shows each event with its number, its time, what it is about and what the vendor held after it, and of customers only the id."""
    page = await feed(world, f"/api/events/?vendor={world.ours.vendor}", world.ours.token)
    assert [event["seq"] for event in page["results"]] == [1, 2, 3, 4, 5]
    assert (page["next_after"], page["has_more"]) == (5, False)
    charge = page["results"][0]
    assert charge["id"] == f"evt_{world.ours.vendor}_1"
    assert (charge["type"], charge["vendor"], charge["vendor_balance"]) == ("charge_succeeded", world.ours.vendor, CREDIT - CHARGE)
    assert {"id", "customer", "amount", "accepted_at"} == set(charge["charge"])
    assert set(charge) == {"id", "vendor", "seq", "type", "created_at", "vendor_balance", "charge"}
    (credit,) = [event for event in page["results"] if event["type"] == "credit_confirmed"]
    assert (credit["type"], credit["vendor_balance"]) == ("credit_confirmed", CREDIT)
    assert credit["credit"] == {"request": world.ours.request, "amount": CREDIT}


async def test_the_feed_is_read_on_from_a_number(world: World) -> None:
    """Pages of one event, each asked for with the last one's next_after, show every event once."""
    after, seen = 0, []
    while True:
        page = await feed(world, f"/api/events/?vendor={world.ours.vendor}&after={after}&page_size=1", world.ours.token)
        seen += [event["seq"] for event in page["results"]]
        after = page["next_after"]
        if not page["has_more"]:
            break
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("caller", ["olga", "paula", "sensor"])
async def test_everybody_who_may_read_a_feed_reads_the_same(world: World, caller: str) -> None:
    """An event has one form, so that what a webhook brings can be compared with what the feed shows."""
    request = events_pb2.ListEventsRequest(vendor_id=world.ours.vendor)
    reply = await world.stack.call(EVENTS + "ListEvents", request, world.stack.tokens[caller])
    mine = await world.stack.call(EVENTS + "ListEvents", request, world.ours.token)
    assert (reply.code, reply.content) == (grpc.StatusCode.OK, mine.content)


async def test_a_low_balance_reaches_the_feed(world: World) -> None:
    """An operator sets a threshold, the partner charges across it, and the feed says so."""
    made = await world.call(VENDORS + "CreateVendor", vendor_pb.CreateVendorRequest(name="Low", low_balance_threshold=7), world.operator)
    vendor = made.data
    assert vendor.low_balance_threshold == 7
    change = vendor_pb.UpdateVendorRequest(id=vendor.id, credit_limit=100, low_balance_threshold=0)
    assert (await world.call(VENDORS + "UpdateVendor", change, world.operator)).data.low_balance_threshold == 0
    change = vendor_pb.UpdateVendorRequest(id=vendor.id, low_balance_threshold=50)
    assert (await world.call(VENDORS + "UpdateVendor", change, world.operator)).data.low_balance_threshold == 50
    submit = vendor_pb.SubmitCreditRequestRequest(vendor_id=vendor.id, amount=60)
    requests = "/charging.vendor_credit.v1.CreditRequestService/"
    asked = await world.call(requests + "SubmitCreditRequest", submit, world.stack.tokens["oscar"])
    await world.call(requests + "ApproveCreditRequest", vendor_pb.ApproveCreditRequestRequest(id=asked.data.id), world.operator)
    for _ in range(2):
        charge = charge_pb.IncreaseCreditRequest(vendor_id=vendor.id, customer_id=world.shared_customer, amount=11)
        await world.call("/charging.customer_charge.v1.ChargeService/IncreaseCredit", charge, world.operator)
        await world.stack.settle()
    page = await feed(world, f"/api/events/?vendor={vendor.id}&types=balance_low", world.operator)
    (event,) = page["results"]
    assert (event["type"], event["vendor_balance"], event["low_balance"]) == ("balance_low", 49, {"threshold": 50})


async def test_only_facts_of_a_ledger_are_taken_in(world: World) -> None:
    """A peer that sends a charge as a fact is told so, by field."""
    fact = events_pb2.VendorFact(
        vendor_id=world.ours.vendor, entry_seq=1, type=events_pb2.EVENT_TYPE_CHARGE_FAILED, vendor_balance=1, amount=1
    )
    fact.created_at.FromSeconds(1)
    method = "/charging.customer_charge.v1.EventIntakeService/AppendFacts"
    reply = await world.stack.call(method, events_pb2.AppendFactsRequest(facts=[fact]), world.stack.peer.token("customer_charge"))
    assert (reply.code, reply.fields) == (grpc.StatusCode.INVALID_ARGUMENT, {"facts[0].type"})


async def test_a_fact_told_twice_is_one_event(world: World) -> None:
    """The answer says how many facts were new."""
    made = await world.call(VENDORS + "CreateVendor", vendor_pb.CreateVendorRequest(name="Told twice"), world.operator)
    fact = events_pb2.VendorFact(
        vendor_id=made.data.id, entry_seq=1, type=events_pb2.EVENT_TYPE_CREDIT_CONFIRMED, vendor_balance=5, amount=5, request_id=9
    )
    fact.created_at.FromSeconds(1)
    method, request = "/charging.customer_charge.v1.EventIntakeService/AppendFacts", events_pb2.AppendFactsRequest(facts=[fact, fact])
    replies = [await world.stack.call(method, request, world.stack.peer.token("customer_charge")) for _ in range(2)]
    assert [response_of(method, reply.content).appended for reply in replies] == [1, 0]
