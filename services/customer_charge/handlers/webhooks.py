"""WebhookService."""

from collections.abc import Sequence

from charging.customer_charge.v1 import events_pb2, webhooks_pb2_grpc
from charging.customer_charge.v1 import webhooks_pb2 as pb

from services.customer_charge.domain.webhooks import Attempt, Endpoint
from services.customer_charge.handlers.page_tokens import page_token_charge
from services.customer_charge.operations import change_webhooks, read_webhooks
from services.customer_charge.webhooks.addresses import BadTargetError, checked_url
from services.customer_charge.webhooks.signing import SecretSafe
from shared.call import current_call
from shared.cells import Cells
from shared.errors import FailedPrecondition, InvalidArgument
from shared.interceptors.types import Context
from shared.paging import decode_page_token, encode_page_token, page_size_of
from shared.times import to_timestamp

LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class WebhookServicer(webhooks_pb2_grpc.WebhookServiceServicer):
    """Serves webhook endpoints. What belongs to another vendor is not there."""

    def __init__(self, cells: Cells, safe: SecretSafe | None, *, development: bool) -> None:
        """Without a `safe` for secrets no endpoint can be made. `development` allows http and private addresses."""
        self._cells = cells
        self._safe = safe
        self._development = development

    async def CreateWebhookEndpoint(self, request: pb.CreateWebhookEndpointRequest, context: Context) -> pb.CreateWebhookEndpointResponse:
        """Create an endpoint and show its secret, once."""
        self._check_url(request.url)
        shown, stored = self._new_secret()
        endpoint = await change_webhooks.create_endpoint(
            self._cells.of(request.vendor_id),
            vendor_id=request.vendor_id,
            url=request.url,
            types=_types(request.types),
            description=request.description,
            after=request.after if request.HasField("after") else None,
            secret=stored,
            actor=current_call().caller.subject,
        )
        return pb.CreateWebhookEndpointResponse(data=endpoint_message(endpoint), secret=shown)

    async def GetWebhookEndpoint(self, request: pb.GetWebhookEndpointRequest, context: Context) -> pb.GetWebhookEndpointResponse:
        """Return one endpoint."""
        endpoint = await read_webhooks.get_endpoint(self._cells.of(request.id), request.id, current_call().caller.visible_vendors)
        return pb.GetWebhookEndpointResponse(data=endpoint_message(endpoint))

    async def ListWebhookEndpoints(self, request: pb.ListWebhookEndpointsRequest, context: Context) -> pb.ListWebhookEndpointsResponse:
        """List endpoints in id order."""
        limit = page_size_of(request.page_size)
        (after_id,) = decode_page_token(request.page_token, int) or (0,)
        vendors = [request.vendor_id] if request.vendor_id else current_call().caller.visible_vendors
        found = await read_webhooks.list_endpoints(self._cells, vendors, after_id=int(after_id), limit=limit + 1)
        token = encode_page_token(found[limit - 1].id) if len(found) > limit else ""
        return pb.ListWebhookEndpointsResponse(endpoints=[endpoint_message(each) for each in found[:limit]], next_page_token=token)

    async def UpdateWebhookEndpoint(self, request: pb.UpdateWebhookEndpointRequest, context: Context) -> pb.UpdateWebhookEndpointResponse:
        """Change the fields that are present."""
        if request.HasField("url"):
            self._check_url(request.url)
        endpoint = await change_webhooks.update_endpoint(
            self._cells.of(request.id),
            request.id,
            current_call().caller.visible_vendors,
            url=request.url if request.HasField("url") else None,
            types=_types(request.types),
            description=request.description if request.HasField("description") else None,
            enabled=request.enabled if request.HasField("enabled") else None,
            actor=current_call().caller.subject,
        )
        return pb.UpdateWebhookEndpointResponse(data=endpoint_message(endpoint))

    async def DeleteWebhookEndpoint(self, request: pb.DeleteWebhookEndpointRequest, context: Context) -> pb.DeleteWebhookEndpointResponse:
        """Remove an endpoint."""
        caller = current_call().caller
        await change_webhooks.remove_endpoint(self._cells.of(request.id), request.id, caller.visible_vendors, caller.subject)
        return pb.DeleteWebhookEndpointResponse()

    async def RotateWebhookSecret(self, request: pb.RotateWebhookSecretRequest, context: Context) -> pb.RotateWebhookSecretResponse:
        """Give an endpoint a new secret and show it, once."""
        shown, stored = self._new_secret()
        caller = current_call().caller
        endpoint = await change_webhooks.rotate_secret(
            self._cells.of(request.id), request.id, caller.visible_vendors, stored, caller.subject
        )
        return pb.RotateWebhookSecretResponse(data=endpoint_message(endpoint), secret=shown)

    async def ReplayWebhookEvents(self, request: pb.ReplayWebhookEventsRequest, context: Context) -> pb.ReplayWebhookEventsResponse:
        """Send a range of events once more."""
        caller = current_call().caller
        endpoint = await change_webhooks.replay_events(
            self._cells.of(request.id), request.id, caller.visible_vendors, request.first, request.last, caller.subject
        )
        return pb.ReplayWebhookEventsResponse(data=endpoint_message(endpoint))

    async def ListWebhookAttempts(self, request: pb.ListWebhookAttemptsRequest, context: Context) -> pb.ListWebhookAttemptsResponse:
        """List attempts, newest first."""
        limit = page_size_of(request.page_size)
        endpoint, found = await read_webhooks.list_attempts(
            self._cells.of(request.id),
            request.id,
            current_call().caller.visible_vendors,
            before_id=page_token_charge(request.page_token) or LAST_ID,
            limit=limit + 1,
        )
        token = encode_page_token(found[limit - 1].id) if len(found) > limit else ""
        return pb.ListWebhookAttemptsResponse(attempts=[attempt_message(endpoint, each) for each in found[:limit]], next_page_token=token)

    def _check_url(self, url: str) -> None:
        try:
            checked_url(url, development=self._development)
        except BadTargetError as error:
            raise InvalidArgument.of_field("url", str(error)) from None

    def _new_secret(self) -> tuple[str, bytes]:
        if self._safe is None:
            message = "webhooks are off: CHARGING_WEBHOOK_ENCRYPTION_SECRET is not set"
            raise FailedPrecondition(message, reason="WEBHOOKS_OFF")
        return self._safe.make()


def endpoint_message(endpoint: Endpoint) -> pb.WebhookEndpoint:
    """Return the wire form of an endpoint: everything but its secret."""
    return pb.WebhookEndpoint(
        id=endpoint.id,
        vendor_id=endpoint.vendor_id,
        url=endpoint.url,
        types=[events_pb2.EventType.ValueType(each) for each in endpoint.types],
        description=endpoint.description,
        state=pb.WebhookState.ValueType(endpoint.state),
        disabled_reason=endpoint.disabled_reason,
        delivered_seq=endpoint.delivered_seq,
        failures=endpoint.failures,
        next_attempt_at=to_timestamp(endpoint.next_attempt_at) if endpoint.failures else None,
        replaying_until=endpoint.replay_until,
        created_at=to_timestamp(endpoint.created_at),
        updated_at=to_timestamp(endpoint.updated_at),
    )


def attempt_message(endpoint: Endpoint, attempt: Attempt) -> pb.WebhookAttempt:
    """Return the wire form of an attempt."""
    return pb.WebhookAttempt(
        seq=attempt.event_seq,
        event_id=f"evt_{endpoint.vendor_id}_{attempt.event_seq}",
        attempt=attempt.attempt,
        http_status=attempt.http_status,
        error=attempt.error,
        latency_ms=attempt.latency_ms,
        replay=attempt.replay,
        attempted_at=to_timestamp(attempt.attempted_at),
        next_attempt_at=to_timestamp(attempt.next_attempt_at),
    )


def _types(asked: Sequence[int]) -> list[int]:
    """Return the types of events, each once. Raises InvalidArgument for the one that names none."""
    for index, number in enumerate(asked):
        if number == events_pb2.EVENT_TYPE_UNSPECIFIED:
            raise InvalidArgument.of_field(f"types[{index}]", "must be a type of events; leave it out for all")
    return sorted(set(asked))
