"""What a full database costs: the same load before and after filling it with millions of charges.

This row is the last, so "before" means with the charges of the rows before it.
"""

import time
from dataclasses import replace

from psycopg import sql

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row
from benchmarks.rows.bulk import ITEMS, bulk_plan
from benchmarks.rows.rest import run_http
from benchmarks.rows.rpc import run_grpc
from benchmarks.settlement import over_cells

CONNECTIONS = 256
FILL_SECONDS_MAX = 7_200.0
CATCH_UP_SECONDS_MAX = 3_600.0
POLL_SECONDS = 5.0
QUIET_POLLS = 6
"""Polls in a row that find nothing left to do: between two vacuums of one round lie a few seconds."""

CAUGHT_UP = """
SELECT NOT EXISTS (SELECT FROM customer_charge.charges WHERE charges.id > books_check.charge_id)
   AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')
FROM customer_charge.books_check
"""


class NotCaughtUp(Exception):
    """The check of the books, or vacuum, did not come to the end of what there was."""


def growth(bench: Bench) -> Row:
    """Measure, fill to the number of charges asked for, measure again."""
    catch_up(bench)
    first = bench.measure(run_http, bench.plan(in_flight=CONNECTIONS), audit=False)
    bench.baselines["start"] = first.rate
    at_start = _charges(bench)
    missing = bench.growth_charges - at_start
    details: dict[str, object] = {"charges_at_start": at_start, "start": first.details}
    if missing > 0:
        plan = replace(bulk_plan(bench), seconds=FILL_SECONDS_MAX, limit=-(-missing // ITEMS))
        details["fill"] = bench.measure(run_grpc, plan, audit=False).details
    details["seconds_to_catch_up"] = catch_up(bench)
    count = _charges(bench)
    last = bench.measure(run_http, bench.plan(in_flight=CONNECTIONS))
    details |= {"charges": count, "end": last.details}
    figures = (Figure("settled", last.rate, "/s", "start"), Figure("charges before the fill", at_start, ""))
    return Row("growth", f"REST, 256 connections, {count:,} charges", figures, last.cpu_us, details)


def catch_up(bench: Bench) -> float:
    """Wait until the check of each minute and vacuum have come to the end of what there is; return the seconds. Raises NotCaughtUp.

    Millions that were made in minutes are checked and vacuumed in minutes: measured meanwhile, the row would tell what making them owed,
    and not what a full database costs.
    """
    began, quiet = time.monotonic(), 0
    while quiet < QUIET_POLLS:
        if time.monotonic() > began + CATCH_UP_SECONDS_MAX:
            raise NotCaughtUp(f"the books were not checked and vacuumed after {CATCH_UP_SECONDS_MAX:g} seconds")
        time.sleep(POLL_SECONDS)
        quiet = quiet + 1 if bench.connection.execute(CAUGHT_UP).fetchone() == (True,) else 0
    return time.monotonic() - began


def _charges(bench: Bench) -> int:
    charges = over_cells(bench.connection, "SELECT id FROM {schema}.charges")
    row = bench.connection.execute(sql.SQL("SELECT count(*) FROM ({}) AS charges").format(charges)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return int(str(row[0]))
