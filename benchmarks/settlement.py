"""What became of the charges of a row: only settled ones count.

Charge ids begin with the millisecond they were made in (UUIDv7), so the charges of a row are a range of the primary key, and counting them
costs the same whatever else is in the table.
"""

import time
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

POLL_SECONDS = 0.01
LOOKING_SHARE = 20
"""Between two polls lies so many times what one takes."""

QUIET_POLLS = 5
"""Polls in a row without a pending charge: a call that was under way when its client left may still be accepted."""

STALLED_SECONDS_MAX = 60.0
"""Without any charge being settled for so long, the system has lost them: that is a failure, not a figure."""

CELLS = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^customer_charge(_[0-9]{2})?$' ORDER BY nspname"
"""Schemas of the system under test: one, or one for each cell."""

COUNT = """
SELECT count(*) FILTER (WHERE state = 2),
       count(*) FILTER (WHERE state = 3),
       coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY settled_at - created_at), interval '0'),
       coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY settled_at - created_at), interval '0')
FROM ({charges}) AS charges
"""

CHARGES = "SELECT state, settled_at, created_at FROM {schema}.charges WHERE id >= %(since)s"
PENDING = "SELECT charge_id FROM {schema}.pending_charges"


class NotSettled(Exception):
    """Accepted charges did not become final."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The charges of one row. `ended_at` is when the last was seen settled, in seconds since 1970; latencies are accept to settled."""

    succeeded: int
    failed: int
    ended_at: float
    p50_ms: float
    p99_ms: float


def first_id(at: float) -> UUID:
    """Return the lowest id of a charge made at `at` (seconds since 1970) or later; a millisecond earlier, for clocks that round."""
    return UUID(int=max(0, int(at * 1000) - 1) << 80)


def wait_settled(connection: psycopg.Connection[tuple[object, ...]], since: float) -> Settlement:
    """Wait until no charge is pending, and return what became of those made since `since`. Raises NotSettled."""
    charges, waiting = over_cells(connection, CHARGES), over_cells(connection, PENDING)
    ended_at, quiet, pending = time.time(), 0, -1
    changed_at = time.monotonic()
    while quiet < QUIET_POLLS:
        looked_at = time.monotonic()
        before, pending = pending, _pending(connection, waiting)
        looked_for = time.monotonic() - looked_at
        if pending:
            quiet = 0
            if pending != before:
                changed_at = time.monotonic()
            if time.monotonic() - changed_at > STALLED_SECONDS_MAX:
                raise NotSettled(f"{pending} charges are pending, and none was settled for {STALLED_SECONDS_MAX:g} s")
        else:
            if quiet == 0:
                ended_at = time.time()
            quiet += 1
        # Counting a long backlog must not cost what is measured.
        time.sleep(max(POLL_SECONDS, LOOKING_SHARE * looked_for))
    row = connection.execute(sql.SQL(COUNT).format(charges=charges), {"since": first_id(since)}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    succeeded, failed, middle, high = row
    return Settlement(int(succeeded), int(failed), ended_at, middle.total_seconds() * 1000, high.total_seconds() * 1000)  # type: ignore[attr-defined, call-overload]


def over_cells(connection: psycopg.Connection[tuple[object, ...]], query: LiteralString) -> sql.Composed:
    """Return the rows of a query over all cells of customer_charge; it names the `schema`."""
    schemas = [str(row[0]) for row in connection.execute(CELLS).fetchall()]
    return sql.SQL(" UNION ALL ").join(sql.SQL(query).format(schema=sql.Identifier(schema)) for schema in schemas)


def _pending(connection: psycopg.Connection[tuple[object, ...]], waiting: sql.Composed) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM ({}) AS pending").format(waiting)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return int(row[0])  # type: ignore[call-overload, no-any-return]
