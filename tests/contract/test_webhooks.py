"""Webhook endpoints at the doors: the secret is shown once, limits hold, and a message carries what the feed shows."""

import json

import grpc
import pytest
from charging.customer_charge.v1 import events_pb2
from charging.customer_charge.v1 import webhooks_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb

from services.customer_charge.operations.change_webhooks import ENDPOINTS_MAX
from services.customer_charge.operations.read_events import read_events
from services.customer_charge.webhooks.event_json import webhook_body
from tests.contract.webhook_requests import SERVICE, creation
from tests.contract.world import VENDORS, World


async def new_vendor(world: World) -> int:
    """Make a vendor that nobody knows."""
    request = vendor_pb.CreateVendorRequest(name=f"Hooked {world.number()}")
    return int((await world.call(VENDORS + "CreateVendor", request, world.operator)).data.id)


async def test_a_secret_is_shown_when_it_is_made_and_never_again(world: World) -> None:
    """Creation and rotation show one; reading, listing and changing do not; the database has none in plain."""
    body = {"vendor": world.ours.vendor, "url": "http://127.0.0.1:9/", "types": ["balance_low"]}
    created = await world.stack.send("POST", "/api/webhooks/", world.ours.token, body)
    assert created.status_code == 201, created.text
    endpoint = created.json()["data"]
    path = created.headers["location"]
    assert path == f"/api/webhooks/{endpoint['id']}/"
    assert (endpoint["status"], endpoint["types"], endpoint["delivered_seq"] >= 1) == ("enabled", ["balance_low"], True)
    rotated = await world.stack.send("POST", f"{path}rotate-secret/", world.ours.token, {})
    secrets = [created.json()["secret"], rotated.json()["secret"]]
    assert all(secret.startswith("whsec_") for secret in secrets)
    assert len(set(secrets)) == 2
    others = [
        await world.stack.send("GET", path, world.ours.token),
        await world.stack.send("GET", f"/api/webhooks/?vendor={world.ours.vendor}&page_size=200", world.ours.token),
        await world.stack.send("PATCH", path, world.ours.token, {"enabled": False}),
        await world.stack.send("GET", f"{path}attempts/", world.ours.token),
    ]
    assert all(answer.status_code == 200 and "whsec_" not in answer.text for answer in others), [answer.text for answer in others]
    assert others[2].json()["data"]["status"] == "disabled"
    stored = str(world.stack.rows("customer_charge", "SELECT secret, previous_secret FROM webhook_endpoints"))
    assert not any(secret.removeprefix("whsec_") in stored for secret in secrets)
    removed = await world.stack.send("DELETE", path, world.ours.token)
    assert (removed.status_code, removed.content) == (204, b"")
    again = await world.stack.send("DELETE", path, world.ours.token)
    assert (again.status_code, again.json()["reason"]) == (404, "WEBHOOK_ENDPOINT_NOT_FOUND")


async def test_a_vendor_has_only_so_many_endpoints(world: World) -> None:
    """One more than allowed is refused with a reason; one that is removed makes room."""
    request = creation(world)
    request.vendor_id = await new_vendor(world)
    made = [await world.call(SERVICE + "CreateWebhookEndpoint", request, world.operator) for _ in range(ENDPOINTS_MAX)]
    reply = await world.stack.call(SERVICE + "CreateWebhookEndpoint", request, world.operator)
    assert (reply.code, reply.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_ENDPOINTS")
    await world.call(SERVICE + "DeleteWebhookEndpoint", pb.DeleteWebhookEndpointRequest(id=made[0].data.id), world.operator)
    await world.call(SERVICE + "CreateWebhookEndpoint", request, world.operator)


@pytest.mark.parametrize(("first", "last", "field"), [(1, 1_000_000, "last"), (3, 2, "first")])
async def test_only_what_was_delivered_is_replayed(world: World, first: int, last: int, field: str) -> None:
    """A range beyond the endpoint's place, or upside down, is refused by field."""
    made = await world.call(SERVICE + "CreateWebhookEndpoint", creation(world), world.operator)
    request = pb.ReplayWebhookEventsRequest(id=made.data.id, first=first, last=last)
    reply = await world.stack.call(SERVICE + "ReplayWebhookEvents", request, world.operator)
    assert (reply.code, reply.fields) == (grpc.StatusCode.INVALID_ARGUMENT, {field})
    await world.call(SERVICE + "DeleteWebhookEndpoint", pb.DeleteWebhookEndpointRequest(id=made.data.id), world.operator)


async def test_a_type_that_is_none_is_refused_by_its_place(world: World) -> None:
    """When an endpoint is made and when it is changed; nothing is made, nothing changes."""
    request = creation(world)
    request.types.append(events_pb2.EVENT_TYPE_UNSPECIFIED)
    reply = await world.stack.call(SERVICE + "CreateWebhookEndpoint", request, world.operator)
    assert (reply.code, reply.fields) == (grpc.StatusCode.INVALID_ARGUMENT, {"types[1]"})
    made = await world.call(SERVICE + "CreateWebhookEndpoint", creation(world), world.operator)
    change = pb.UpdateWebhookEndpointRequest(id=made.data.id, types=[events_pb2.EVENT_TYPE_UNSPECIFIED])
    reply = await world.stack.call(SERVICE + "UpdateWebhookEndpoint", change, world.operator)
    assert (reply.code, reply.fields) == (grpc.StatusCode.INVALID_ARGUMENT, {"types[0]"})
    found = await world.call(SERVICE + "GetWebhookEndpoint", pb.GetWebhookEndpointRequest(id=made.data.id), world.operator)
    assert found.data.types == made.data.types
    await world.call(SERVICE + "DeleteWebhookEndpoint", pb.DeleteWebhookEndpointRequest(id=made.data.id), world.operator)


@pytest.mark.parametrize("url", ["http://user@127.0.0.1/", "http:///nowhere", "http://127.0.0.1:99999/", "http://127.0.0.1/#x"])
async def test_a_url_that_cannot_be_posted_to_is_refused(world: World, url: str) -> None:
    """Also in development, where private addresses may be asked."""
    answer = await world.stack.send("POST", "/api/webhooks/", world.ours.token, {"vendor": world.ours.vendor, "url": url})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, ["url"])


async def test_a_message_carries_what_the_feed_shows(world: World) -> None:
    """The data of a message is, byte for byte as JSON, what the list of events has at that number."""
    listed = (await world.stack.send("GET", f"/api/events/?vendor={world.ours.vendor}&page_size=200", world.operator)).json()["results"]
    page = await read_events(
        world.stack.customer_charge.cells.of(world.ours.vendor), world.ours.vendor, after=0, types=frozenset(), limit=200
    )
    bodies = [json.loads(webhook_body(event)) for event in page.events]
    assert [body["data"] for body in bodies] == listed
    assert {body["type"] for body in bodies} == {"charge_succeeded", "charge_reversed", "credit_confirmed"}
    assert [(body["type"], body["timestamp"]) for body in bodies] == [(each["type"], each["created_at"]) for each in listed]
