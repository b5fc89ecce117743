"""What a full database costs: the same load on few charges and on millions."""

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row
from benchmarks.rows.bulk import ITEMS, bulk_plan
from benchmarks.rows.rest import run_http
from benchmarks.rows.rpc import run_grpc

CONNECTIONS = 256
FILL_SECONDS_MAX = 7_200.0


def growth(bench: Bench) -> Row:
    """Measure, fill to the number of charges asked for, measure again."""
    first = bench.measure(run_http, bench.plan(in_flight=CONNECTIONS), audit=False)
    bench.baselines["start"] = first.rate
    missing = bench.growth_charges - _charges(bench)
    details: dict[str, object] = {"charges_at_start": _charges(bench), "start": first.details}
    if missing > 0:
        plan = replace(bulk_plan(bench), seconds=FILL_SECONDS_MAX, limit=-(-missing // ITEMS))
        details["fill"] = bench.measure(run_grpc, plan, audit=False).details
    count = _charges(bench)
    last = bench.measure(run_http, bench.plan(in_flight=CONNECTIONS))
    details |= {"charges": count, "end": last.details}
    return Row("growth", f"REST, 256 connections, {count:,} charges", (Figure("settled", last.rate, "/s", "start"),), last.cpu_us, details)


def _charges(bench: Bench) -> int:
    row = bench.connection.execute("SELECT count(*) FROM customer_charge.charges").fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return int(str(row[0]))
