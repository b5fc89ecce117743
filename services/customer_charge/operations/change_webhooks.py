"""Create, change and remove webhook endpoints, give them new secrets, and replay events to them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from services.customer_charge.domain.webhooks import Endpoint, EndpointState
from services.customer_charge.storage import event_feed, webhooks
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import FailedPrecondition, InvalidArgument, NotFound

ENDPOINTS_MAX = 20
"""Of one vendor: each gets every event of its own."""

PREVIOUS_SECRET_LIFE = timedelta(days=1)
"""How long an old secret still signs beside the new one."""


async def create_endpoint(
    database: Database, *, vendor_id: int, url: str, types: Sequence[int], description: str, after: int | None, secret: bytes
) -> Endpoint:
    """Create an endpoint; `after` None begins with the vendor's next event. Raises FailedPrecondition (TOO_MANY_ENDPOINTS)."""

    async def work(connection: Connection) -> Endpoint:
        # The head's lock, so that neither another endpoint nor another event comes in between.
        head = (await event_feed.advance_heads(connection, {vendor_id: 0}))[vendor_id]
        if await webhooks.count_endpoints(connection, vendor_id) >= ENDPOINTS_MAX:
            raise FailedPrecondition(
                f"vendor {vendor_id} has {ENDPOINTS_MAX} endpoints, and not more are allowed",
                reason="TOO_MANY_ENDPOINTS",
                metadata={"vendor_id": str(vendor_id), "most": str(ENDPOINTS_MAX)},
            )
        begin = head if after is None else min(after, head)
        return await webhooks.insert_endpoint(
            connection, vendor_id=vendor_id, url=url, types=types, description=description, secret=secret, after=begin, now=utc_now()
        )

    return await database.transact(work)


async def update_endpoint(
    database: Database,
    endpoint_id: int,
    visible_vendors: Sequence[int] | None,
    *,
    url: str | None,
    types: Sequence[int],
    description: str | None,
    enabled: bool | None,
) -> Endpoint:
    """Change what is not None or empty. Enabling starts anew: what was due later is due now. Raises NotFound."""

    async def change(connection: Connection, before: Endpoint, now: datetime) -> None:
        after = replace(
            before,
            url=before.url if url is None else url,
            types=types or before.types,
            description=before.description if description is None else description,
        )
        if enabled is True:
            after = replace(after, state=EndpointState.ENABLED, disabled_reason=None, failures=0, failing_since=None, next_attempt_at=now)
        elif enabled is False and before.state == EndpointState.ENABLED:
            after = replace(after, state=EndpointState.DISABLED, disabled_reason="by its owner")
        await webhooks.update_endpoint(connection, after, now)

    return await _change(database, endpoint_id, visible_vendors, change)


async def remove_endpoint(database: Database, endpoint_id: int, visible_vendors: Sequence[int] | None) -> None:
    """Remove an endpoint. Raises NotFound."""

    async def work(connection: Connection) -> None:
        before = await _locked(connection, endpoint_id, visible_vendors)
        await webhooks.update_endpoint(connection, replace(before, state=EndpointState.REMOVED), utc_now())

    await database.transact(work)


async def rotate_secret(database: Database, endpoint_id: int, visible_vendors: Sequence[int] | None, secret: bytes) -> Endpoint:
    """Give an endpoint a new secret, as it is stored. Raises NotFound."""

    async def change(connection: Connection, before: Endpoint, now: datetime) -> None:
        await webhooks.rotate_secret(connection, before.id, secret, now + PREVIOUS_SECRET_LIFE, now)

    return await _change(database, endpoint_id, visible_vendors, change)


async def replay_events(database: Database, endpoint_id: int, visible_vendors: Sequence[int] | None, first: int, last: int) -> Endpoint:
    """Let an endpoint get the events from `first` to `last` once more. Raises NotFound, and InvalidArgument for what was not delivered."""

    async def change(connection: Connection, before: Endpoint, now: datetime) -> None:
        if last > before.delivered_seq:
            raise InvalidArgument.of_field("last", f"must be at most {before.delivered_seq}, up to which events were delivered")
        if first > last:
            raise InvalidArgument.of_field("first", "must not be beyond last")
        await webhooks.begin_replay(connection, before.id, first, last, now)

    return await _change(database, endpoint_id, visible_vendors, change)


async def _change(
    database: Database,
    endpoint_id: int,
    visible_vendors: Sequence[int] | None,
    change: Callable[[Connection, Endpoint, datetime], Awaitable[None]],
) -> Endpoint:
    async def work(connection: Connection) -> Endpoint:
        await change(connection, await _locked(connection, endpoint_id, visible_vendors), utc_now())
        return (await webhooks.list_endpoints(connection, visible_vendors=None, endpoint_id=endpoint_id))[0]

    return await database.transact(work)


async def _locked(connection: Connection, endpoint_id: int, visible_vendors: Sequence[int] | None) -> Endpoint:
    await webhooks.lock_endpoint(connection, endpoint_id)
    found = await webhooks.list_endpoints(connection, visible_vendors=visible_vendors, endpoint_id=endpoint_id)
    if not found:
        raise NotFound.of("webhook endpoint", endpoint_id)
    return found[0]
