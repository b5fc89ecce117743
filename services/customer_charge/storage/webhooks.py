"""Webhook endpoints."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.webhooks import Endpoint
from shared.database import Connection
from shared.sql_arrays import int_array

COLUMNS = """
id, vendor_id, url, types, description, state, disabled_reason, secret, previous_secret, previous_until, delivered_seq, replayed_seq,
    replay_until, failures, failing_since, next_attempt_at, created_at, updated_at
"""

INSERT_ENDPOINT = f"""
INSERT INTO webhook_endpoints (
    vendor_id, url, types, description, state, secret, delivered_seq, failures, next_attempt_at, leased_until, created_at, updated_at
)
VALUES (
    %(vendor_id)s, %(url)s, %(types)s::smallint[], %(description)s, 1, %(secret)s, %(after)s, 0, %(now)s, %(now)s, %(now)s, %(now)s
)
RETURNING {COLUMNS}
"""  # noqa: S608 - columns only


async def insert_endpoint(
    connection: Connection, *, vendor_id: int, url: str, types: Sequence[int], description: str, secret: bytes, after: int, now: datetime
) -> Endpoint:
    """Add an enabled endpoint."""
    async with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(
            INSERT_ENDPOINT,
            {
                "vendor_id": vendor_id,
                "url": url,
                "types": int_array(types),
                "description": description,
                "secret": secret,
                "after": after,
                "now": now,
            },
        )
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - RETURNING of an insert
    return row


COUNT_ENDPOINTS = "SELECT count(*) FROM webhook_endpoints WHERE vendor_id = %(vendor_id)s AND state <> 3"


async def count_endpoints(connection: Connection, vendor_id: int) -> int:
    """Return how many endpoints a vendor has."""
    row = await (await connection.execute(COUNT_ENDPOINTS, {"vendor_id": vendor_id})).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return int(row[0])


LIST_ENDPOINTS = f"""
SELECT {COLUMNS}
FROM webhook_endpoints
WHERE state <> 3
  AND id > %(after_id)s
  AND (%(id)s::bigint IS NULL OR id = %(id)s)
  AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
ORDER BY id
LIMIT %(limit)s
"""  # noqa: S608 - columns only


async def list_endpoints(
    connection: Connection, *, visible_vendors: Sequence[int] | None, endpoint_id: int | None = None, after_id: int = 0, limit: int = 1
) -> list[Endpoint]:
    """Return endpoints of the visible vendors (None: all) in id order, above `after_id`; only the one with the id, if given."""
    async with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(LIST_ENDPOINTS, {"vendor_ids": visible_vendors, "id": endpoint_id, "after_id": after_id, "limit": limit})
        return await cursor.fetchall()


LOCK_ENDPOINT = "SELECT id FROM webhook_endpoints WHERE id = %(id)s FOR UPDATE"


async def lock_endpoint(connection: Connection, endpoint_id: int) -> None:
    """Lock an endpoint, so that what is read of it next stays true."""
    await connection.execute(LOCK_ENDPOINT, {"id": endpoint_id})


UPDATE_ENDPOINT = """
UPDATE webhook_endpoints
SET url = %(url)s, types = %(types)s::smallint[], description = %(description)s, state = %(state)s, disabled_reason = %(disabled_reason)s,
    failures = %(failures)s, failing_since = %(failing_since)s, next_attempt_at = %(next_attempt_at)s, updated_at = %(now)s
WHERE id = %(id)s
"""


async def update_endpoint(connection: Connection, endpoint: Endpoint, now: datetime) -> None:
    """Write what its owner may change. The caller holds the endpoint's lock."""
    await connection.execute(
        UPDATE_ENDPOINT,
        {
            "id": endpoint.id,
            "url": endpoint.url,
            "types": int_array(endpoint.types),
            "description": endpoint.description,
            "state": endpoint.state,
            "disabled_reason": endpoint.disabled_reason,
            "failures": endpoint.failures,
            "failing_since": endpoint.failing_since,
            "next_attempt_at": endpoint.next_attempt_at,
            "now": now,
        },
    )


ROTATE = """
UPDATE webhook_endpoints
SET previous_secret = secret, previous_until = %(until)s, secret = %(secret)s, updated_at = %(now)s
WHERE id = %(id)s
"""


async def rotate_secret(connection: Connection, endpoint_id: int, secret: bytes, until: datetime, now: datetime) -> None:
    """Give an endpoint a new secret; the one before signs beside it until its time is over."""
    await connection.execute(ROTATE, {"id": endpoint_id, "secret": secret, "until": until, "now": now})


REPLAY = """
UPDATE webhook_endpoints
SET replayed_seq = %(first)s - 1, replay_until = %(last)s, updated_at = %(now)s
WHERE id = %(id)s
"""


async def begin_replay(connection: Connection, endpoint_id: int, first: int, last: int, now: datetime) -> None:
    """Let an endpoint get a range of events once more."""
    await connection.execute(REPLAY, {"id": endpoint_id, "first": first, "last": last, "now": now})
