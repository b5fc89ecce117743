"""Deliver events to a webhook endpoint: in order, one after the other, each until it is taken.

Whoever delivers holds the endpoint's lease, and writes every result on condition that it still does. What dies in between leaves a lease
that ends by itself, and an event that may be sent once more under the same `webhook-id`. An endpoint that fails holds up only itself.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog

from services.customer_charge.domain.events import Event
from services.customer_charge.domain.webhooks import Endpoint, EndpointState, Outcome, give_up_reason, next_attempt
from services.customer_charge.operations.read_events import EventPage, read_events
from services.customer_charge.storage import webhook_deliveries
from services.customer_charge.webhooks.event_json import webhook_body
from services.customer_charge.webhooks.sender import Post, WebhookSender
from services.customer_charge.webhooks.signing import SecretSafe, signed_headers
from shared.cells import Cells
from shared.clock import utc_now
from shared.crash_points import crash_point
from shared.database import Connection, Database
from shared.errors import ChargingError
from shared.uuid7 import uuid7, uuid7_text

LEASE = timedelta(seconds=60)
"""Renewed with every result; several times the longest attempt, so that it never ends under one who lives."""

TURN_SECONDS = 30.0
"""After so long an endpoint that always has more gives its place to others."""

PAGE = 50

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What delivering needs. An endpoint that failed for `disable_days` without a break is disabled."""

    cells: Cells
    sender: WebhookSender
    safe: SecretSafe
    disable_days: int


async def deliver_events(delivery: Delivery, endpoint_id: int) -> int:
    """Deliver what is due to an endpoint, unless somebody else does; return how many events it took.

    Raises Unavailable when the database is out of reach; what was delivered then stays delivered, or is sent once more.
    """
    lease = uuid7()
    database = delivery.cells.of(endpoint_id)
    taken, end = 0, time.monotonic() + TURN_SECONDS
    try:
        endpoint = await _take(database, endpoint_id, lease)
        if endpoint is None:
            return 0
        async with delivery.sender.session(endpoint.url) as post:
            while endpoint is not None and time.monotonic() < end:
                page = await _next_page(database, endpoint)
                if not page.events:
                    if page.next_after == endpoint.position:
                        break
                    endpoint = await _move_on(database, endpoint, lease, page.next_after)
                for event in page.events:
                    # A replay that began or ended makes the rest of this page another's.
                    if endpoint is None or endpoint.position >= event.seq or time.monotonic() >= end:
                        break
                    endpoint, delivered = await _deliver_one(delivery, endpoint, lease, event, post)
                    taken += delivered
    finally:
        with suppress(ChargingError):  # else it ends by itself
            await _give_back(database, endpoint_id, lease)
    return taken


async def _next_page(database: Database, endpoint: Endpoint) -> EventPage:
    page = await read_events(database, endpoint.vendor_id, after=endpoint.position, types=frozenset(endpoint.types), limit=PAGE)
    if endpoint.replay_until is None:
        return page
    last = endpoint.replay_until
    return replace(page, events=[event for event in page.events if event.seq <= last], next_after=min(page.next_after, last))


async def _deliver_one(delivery: Delivery, endpoint: Endpoint, lease: UUID, event: Event, post: Post) -> tuple[Endpoint | None, bool]:
    """Make one attempt and write what came of it.

    Return the endpoint to go on with, None when this delivery is over, and whether the event was taken.
    """
    now = utc_now()
    raw_secrets = [delivery.safe.open(endpoint.secret)]
    if endpoint.previous_secret is not None and endpoint.previous_until is not None and endpoint.previous_until > now:
        raw_secrets.append(delivery.safe.open(endpoint.previous_secret))
    body = webhook_body(event)
    crash_point("webhook.before_send")
    outcome = await post(signed_headers(raw_secrets, event.name, int(now.timestamp()), body), body)
    crash_point("webhook.after_send")
    if outcome.delivered:
        return await _move_on(delivery.cells.of(endpoint.id), endpoint, lease, event.seq, outcome), True
    await _note_failure(delivery, endpoint, lease, event.seq, outcome)
    return None, False


async def _take(database: Database, endpoint_id: int, lease: UUID) -> Endpoint | None:
    async def work(connection: Connection) -> Endpoint | None:
        now = utc_now()
        return await webhook_deliveries.take_lease(connection, endpoint_id, lease, now, now + LEASE)

    return await database.transact(work)


async def _give_back(database: Database, endpoint_id: int, lease: UUID) -> None:
    async def work(connection: Connection) -> None:
        await webhook_deliveries.give_back_lease(connection, endpoint_id, lease, utc_now())

    await database.transact(work)


async def _move_on(database: Database, endpoint: Endpoint, lease: UUID, seq: int, outcome: Outcome | None = None) -> Endpoint | None:
    attempt_id = uuid7_text()

    async def work(connection: Connection) -> Endpoint | None:
        now = utc_now()
        moved = await webhook_deliveries.move_on(connection, endpoint, lease, seq, now + LEASE)
        if outcome is not None:
            await webhook_deliveries.insert_attempt(connection, attempt_id, endpoint, seq, outcome, now=now, next_attempt_at=None)
        return moved

    return await database.transact(work)


async def _note_failure(delivery: Delivery, endpoint: Endpoint, lease: UUID, seq: int, outcome: Outcome) -> None:
    attempt_id = uuid7_text()

    async def work(connection: Connection) -> None:
        now = utc_now()
        failures, since = endpoint.failures + 1, endpoint.failing_since or now
        reason = give_up_reason(outcome, since, now, delivery.disable_days)
        after = replace(
            endpoint,
            failures=failures,
            failing_since=since,
            next_attempt_at=next_attempt(failures, now),
            state=EndpointState.ENABLED if reason is None else EndpointState.DISABLED,
            disabled_reason=reason,
        )
        await webhook_deliveries.note_failure(connection, after, lease, now)
        due = None if reason else after.next_attempt_at
        await webhook_deliveries.insert_attempt(connection, attempt_id, endpoint, seq, outcome, now=now, next_attempt_at=due)
        if reason is not None:
            log.warning("webhook.disabled", endpoint_id=endpoint.id, vendor_id=endpoint.vendor_id, reason=reason)

    await delivery.cells.of(endpoint.id).transact(work)
