"""Create, change and remove webhook endpoints, give them new secrets, and replay events to them.

Each is an action in the audit log: where a vendor's events go is worth as much as the events.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from services.customer_charge.domain.events import EventType
from services.customer_charge.domain.webhooks import Endpoint, EndpointState
from services.customer_charge.storage import event_feed, webhooks
from shared.audit_log.recording import record_action
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import FailedPrecondition, InvalidArgument, NotFound

ENDPOINTS_MAX = 20
"""Of one vendor: each gets every event of its own."""

Details = Mapping[str, object]
"""What the audit log has of a change beside its action; None where nothing changed, which is no action."""

PREVIOUS_SECRET_LIFE = timedelta(days=1)
"""How long an old secret still signs beside the new one."""


async def create_endpoint(
    database: Database, *, vendor_id: int, url: str, types: Sequence[int], description: str, after: int | None, secret: bytes, actor: str
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
        begin, now = head if after is None else min(after, head), utc_now()
        made = await webhooks.insert_endpoint(
            connection, vendor_id=vendor_id, url=url, types=types, description=description, secret=secret, after=begin, now=now
        )
        await _record(connection, actor, "create_webhook_endpoint", made, now, {"after": begin, **_settings(made)})
        return made

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
    actor: str,
) -> Endpoint:
    """Change what is not None or empty. Enabling starts anew: what was due later is due now. Raises NotFound."""

    async def change(connection: Connection, before: Endpoint, now: datetime) -> Details | None:
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
        return _changes(_settings(before), _settings(after))

    return await _change(database, endpoint_id, visible_vendors, change, actor, "update_webhook_endpoint")


async def remove_endpoint(database: Database, endpoint_id: int, visible_vendors: Sequence[int] | None, actor: str) -> None:
    """Remove an endpoint. Raises NotFound."""

    async def work(connection: Connection) -> None:
        before, now = await _locked(connection, endpoint_id, visible_vendors), utc_now()
        await webhooks.update_endpoint(connection, replace(before, state=EndpointState.REMOVED), now)
        await _record(connection, actor, "delete_webhook_endpoint", before, now, {"url": before.url})

    await database.transact(work)


async def rotate_secret(database: Database, endpoint_id: int, visible_vendors: Sequence[int] | None, secret: bytes, actor: str) -> Endpoint:
    """Give an endpoint a new secret, as it is stored. Raises NotFound."""

    async def change(connection: Connection, before: Endpoint, now: datetime) -> Details | None:
        until = now + PREVIOUS_SECRET_LIFE
        await webhooks.rotate_secret(connection, before.id, secret, until, now)
        return {"previous_until": until.isoformat()}

    return await _change(database, endpoint_id, visible_vendors, change, actor, "rotate_webhook_secret")


async def replay_events(
    database: Database, endpoint_id: int, visible_vendors: Sequence[int] | None, first: int, last: int, actor: str
) -> Endpoint:
    """Let an endpoint get the events from `first` to `last` once more. Raises NotFound, and InvalidArgument for what was not delivered."""

    async def change(connection: Connection, before: Endpoint, now: datetime) -> Details | None:
        if last > before.delivered_seq:
            raise InvalidArgument.of_field("last", f"must be at most {before.delivered_seq}, up to which events were delivered")
        if first > last:
            raise InvalidArgument.of_field("first", "must not be beyond last")
        await webhooks.begin_replay(connection, before.id, first, last, now)
        return {"first": first, "last": last}

    return await _change(database, endpoint_id, visible_vendors, change, actor, "replay_webhook_events")


async def _change(
    database: Database,
    endpoint_id: int,
    visible_vendors: Sequence[int] | None,
    change: Callable[[Connection, Endpoint, datetime], Awaitable[Details | None]],
    actor: str,
    action: str,
) -> Endpoint:
    async def work(connection: Connection) -> Endpoint:
        before, now = await _locked(connection, endpoint_id, visible_vendors), utc_now()
        details = await change(connection, before, now)
        if details is not None:
            await _record(connection, actor, action, before, now, details)
        return (await webhooks.list_endpoints(connection, visible_vendors=None, endpoint_id=endpoint_id))[0]

    return await database.transact(work)


async def _locked(connection: Connection, endpoint_id: int, visible_vendors: Sequence[int] | None) -> Endpoint:
    await webhooks.lock_endpoint(connection, endpoint_id)
    found = await webhooks.list_endpoints(connection, visible_vendors=visible_vendors, endpoint_id=endpoint_id)
    if not found:
        raise NotFound.of("webhook endpoint", endpoint_id)
    return found[0]


async def _record(connection: Connection, actor: str, action: str, endpoint: Endpoint, now: datetime, details: Details) -> None:
    """Add an action to the audit log, in the transaction that performs it. Secrets are no details."""
    everything = {"vendor": endpoint.vendor_id, **details}
    await record_action(connection, now=now, actor=actor, action=action, target=f"webhook_endpoint:{endpoint.id}", details=everything)


def _settings(endpoint: Endpoint) -> dict[str, object]:
    """Return what an owner chooses of an endpoint, as the audit log shows it."""
    types = ",".join(EventType(each).name.lower() for each in endpoint.types) or "all"
    enabled = endpoint.state == EndpointState.ENABLED
    return {"url": endpoint.url, "types": types, "description": endpoint.description, "enabled": enabled}


def _changes(before: Details, after: Details) -> Details | None:
    """Return the new and the former values of what changed, None where nothing did."""
    changed = [name for name in after if after[name] != before[name]]
    return {key: value for name in changed for key, value in ((name, after[name]), (f"{name}_before", before[name]))} or None
