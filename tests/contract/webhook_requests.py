"""Requests about webhook endpoints, for the samples of the contract."""

from collections.abc import Callable, Mapping

from charging.customer_charge.v1 import events_pb2
from charging.customer_charge.v1 import webhooks_pb2 as pb
from google.protobuf.message import Message

from tests.contract.world import World

SERVICE = "/charging.customer_charge.v1.WebhookService/"
KEPT = 5
"""Endpoints of ours that stay: a vendor may have so many and no more, and these tests make one after the other."""

OF_ENDPOINT: Mapping[str, Callable[[int], Message]] = {
    "GetWebhookEndpoint": lambda key: pb.GetWebhookEndpointRequest(id=key),
    "UpdateWebhookEndpoint": lambda key: pb.UpdateWebhookEndpointRequest(
        id=key, description="ours", types=[events_pb2.EVENT_TYPE_CHARGE_FAILED]
    ),
    "DeleteWebhookEndpoint": lambda key: pb.DeleteWebhookEndpointRequest(id=key),
    "RotateWebhookSecret": lambda key: pb.RotateWebhookSecretRequest(id=key),
    "ReplayWebhookEvents": lambda key: pb.ReplayWebhookEventsRequest(id=key, first=1, last=2),
    "ListWebhookAttempts": lambda key: pb.ListWebhookAttemptsRequest(id=key),
}
"""Requests that name an endpoint, by method."""


def creation(world: World) -> pb.CreateWebhookEndpointRequest:
    """Return a request for a new endpoint of ours, at an address where nobody listens."""
    return pb.CreateWebhookEndpointRequest(
        vendor_id=world.ours.vendor, url="http://127.0.0.1:9/hooks", types=[events_pb2.EVENT_TYPE_CHARGE_FAILED], description="ours"
    )


LARGE_IDS = """
SELECT setval(sequence.seqrelid::regclass, next_id + sequence.seqincrement * greatest(0, (100000 - next_id) / sequence.seqincrement + 1))
FROM pg_sequence AS sequence, nextval(pg_get_serial_sequence('webhook_endpoints', 'id')) AS next_id
WHERE sequence.seqrelid = pg_get_serial_sequence('webhook_endpoints', 'id')::regclass
"""
"""By whole steps: in each cell an id still tells where it lives."""


def use_large_ids(world: World) -> None:
    """Let ids of endpoints be numbers that nothing else in an answer is: tests cut them out of texts."""
    world.stack.rows("customer_charge", LARGE_IDS)


async def creatable(world: World) -> Message:
    """Return a request for a new endpoint, for which there is room."""
    use_large_ids(world)
    request = pb.ListWebhookEndpointsRequest(vendor_id=world.ours.vendor, page_size=200)
    for endpoint in (await world.call(SERVICE + "ListWebhookEndpoints", request, world.operator)).endpoints[KEPT:]:
        await world.call(SERVICE + "DeleteWebhookEndpoint", pb.DeleteWebhookEndpointRequest(id=endpoint.id), world.operator)
    return creation(world)


async def our_endpoint(world: World) -> int:
    """Return the id of an endpoint of ours."""
    use_large_ids(world)
    request = pb.ListWebhookEndpointsRequest(vendor_id=world.ours.vendor)
    found = (await world.call(SERVICE + "ListWebhookEndpoints", request, world.operator)).endpoints
    made = found[0] if found else (await world.call(SERVICE + "CreateWebhookEndpoint", creation(world), world.operator)).data
    return int(made.id)
