"""Deliveries to webhook endpoints: who delivers now, how far it came, and the log of attempts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from services.customer_charge.domain.webhooks import Attempt, Endpoint, Outcome
from services.customer_charge.storage.webhooks import COLUMNS
from shared.database import Connection

DUE_ENDPOINTS = """
SELECT endpoint.id
FROM webhook_endpoints AS endpoint
LEFT JOIN event_heads AS head ON head.vendor_id = endpoint.vendor_id
WHERE endpoint.state = 1 AND endpoint.next_attempt_at <= %(now)s AND endpoint.leased_until <= %(now)s
  AND (head.last_seq > endpoint.delivered_seq OR endpoint.replay_until IS NOT NULL)
ORDER BY endpoint.next_attempt_at, endpoint.id
LIMIT %(limit)s
"""


async def due_endpoints(connection: Connection, now: datetime, *, limit: int) -> list[int]:
    """Return endpoints that something is to be sent to and that nobody sends to now, the longest due first."""
    cursor = await connection.execute(DUE_ENDPOINTS, {"now": now, "limit": limit})
    return [row[0] for row in await cursor.fetchall()]


TAKE_LEASE = f"""
UPDATE webhook_endpoints
SET lease = %(lease)s, leased_until = %(until)s
WHERE id = %(id)s AND state = 1 AND next_attempt_at <= %(now)s AND (leased_until <= %(now)s OR lease = %(lease)s)
RETURNING {COLUMNS}
"""  # noqa: S608 - columns only


async def take_lease(connection: Connection, endpoint_id: int, lease: UUID, now: datetime, until: datetime) -> Endpoint | None:
    """Become the one who delivers to an endpoint; None when it is not due, or somebody else is."""
    async with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(TAKE_LEASE, {"id": endpoint_id, "lease": lease, "now": now, "until": until})
        return await cursor.fetchone()


GIVE_BACK_LEASE = "UPDATE webhook_endpoints SET lease = NULL, leased_until = %(now)s WHERE id = %(id)s AND lease = %(lease)s"


async def give_back_lease(connection: Connection, endpoint_id: int, lease: UUID, now: datetime) -> None:
    """Let others deliver; nothing happens when they already may."""
    await connection.execute(GIVE_BACK_LEASE, {"id": endpoint_id, "lease": lease, "now": now})


# A replay ends by itself when its last number is reached. One that began, or began anew, since the event was sent is left alone.
MOVE_ON = f"""
UPDATE webhook_endpoints
SET delivered_seq = CASE WHEN replayed_seq IS NULL THEN %(seq)s ELSE delivered_seq END,
    replayed_seq = CASE WHEN %(seq)s < replay_until THEN %(seq)s END,
    replay_until = CASE WHEN %(seq)s < replay_until THEN replay_until END,
    failures = 0, failing_since = NULL, leased_until = %(until)s
WHERE id = %(id)s AND lease = %(lease)s AND state = 1 AND replayed_seq IS NOT DISTINCT FROM %(replayed)s::bigint
RETURNING {COLUMNS}
"""  # noqa: S608 - columns only


async def move_on(connection: Connection, endpoint: Endpoint, lease: UUID, seq: int, until: datetime) -> Endpoint | None:
    """Note that events up to a number were delivered, or are not wanted, and keep the lease.

    None when the lease is lost, or another replay has begun than the one that `endpoint` shows.
    """
    values = {"id": endpoint.id, "lease": lease, "seq": seq, "replayed": endpoint.replayed_seq, "until": until}
    async with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(MOVE_ON, values)
        return await cursor.fetchone()


NOTE_FAILURE = """
UPDATE webhook_endpoints
SET failures = %(failures)s, failing_since = %(failing_since)s, next_attempt_at = %(next_attempt_at)s, state = %(state)s,
    disabled_reason = %(disabled_reason)s, lease = NULL, leased_until = %(now)s
WHERE id = %(id)s AND lease = %(lease)s AND state = 1
"""


async def note_failure(connection: Connection, endpoint: Endpoint, lease: UUID, now: datetime) -> bool:
    """Write what a failed attempt made of the endpoint, and give the lease back; tell whether the lease still stood."""
    cursor = await connection.execute(
        NOTE_FAILURE,
        {
            "id": endpoint.id,
            "lease": lease,
            "failures": endpoint.failures,
            "failing_since": endpoint.failing_since,
            "next_attempt_at": endpoint.next_attempt_at,
            "state": endpoint.state,
            "disabled_reason": endpoint.disabled_reason,
            "now": now,
        },
    )
    return cursor.rowcount == 1


INSERT_ATTEMPT = """
INSERT INTO webhook_attempts (
    endpoint_id, id, event_seq, attempt, http_status, error, latency_ms, replay, attempted_at, next_attempt_at
)
VALUES (
    %(endpoint_id)s, %(id)s, %(event_seq)s, %(attempt)s, %(status)s, %(error)s, %(latency_ms)s, %(replay)s, %(now)s, %(next_attempt_at)s
)
ON CONFLICT (endpoint_id, id) DO NOTHING
"""


async def insert_attempt(
    connection: Connection,
    attempt_id: str,
    endpoint: Endpoint,
    event_seq: int,
    outcome: Outcome,
    *,
    now: datetime,
    next_attempt_at: datetime | None,
) -> None:
    """Add an attempt to the log, once per id; `endpoint` as it was before."""
    await connection.execute(
        INSERT_ATTEMPT,
        {
            "endpoint_id": endpoint.id,
            "id": attempt_id,
            "event_seq": event_seq,
            "attempt": endpoint.failures + 1,
            "status": outcome.status,
            "error": outcome.error,
            "latency_ms": outcome.latency_ms,
            "replay": endpoint.replayed_seq is not None,
            "now": now,
            "next_attempt_at": next_attempt_at,
        },
    )


LIST_ATTEMPTS = """
SELECT id::text AS id, event_seq, attempt, http_status, error, latency_ms, replay, attempted_at, next_attempt_at
FROM webhook_attempts
WHERE endpoint_id = %(endpoint_id)s AND id < %(before_id)s::uuid
ORDER BY webhook_attempts.id DESC
LIMIT %(limit)s
"""


async def list_attempts(connection: Connection, endpoint_id: int, *, before_id: str, limit: int) -> Sequence[Attempt]:
    """Return attempts of an endpoint, newest first, below `before_id`."""
    async with connection.cursor(row_factory=class_row(Attempt)) as cursor:
        await cursor.execute(LIST_ATTEMPTS, {"endpoint_id": endpoint_id, "before_id": before_id, "limit": limit})
        return await cursor.fetchall()
