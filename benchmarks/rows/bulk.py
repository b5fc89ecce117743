"""Thousands of charges of one principal in one call."""

from dataclasses import replace

from benchmarks.bench import Bench, Measured
from benchmarks.figures import Figure, Row
from benchmarks.load_plan import LoadPlan
from benchmarks.rows.open_loop import run_http_load
from benchmarks.rows.rpc import grpc_plan, run_grpc

ITEMS = 1_000
"""Charges in one call."""

IN_FLIGHT = 4
"""Calls under way: enough that the next is there when one is answered."""


def bulk_rpc(bench: Bench) -> Row:
    """Call BatchIncreaseCredit over all vendors."""
    return _row("bulk_rpc", "bulk RPC, 1,000 a call", bench.measure(run_grpc, bulk_plan(bench)), "textbook_spread")


def bulk_rpc_hot(bench: Bench) -> Row:
    """Call BatchIncreaseCredit, every item charging one vendor."""
    return _row("bulk_rpc_hot", "bulk RPC, 1 hot vendor", bench.measure(run_grpc, bulk_plan(bench, vendors=1)), "textbook_hot")


def bulk_rest(bench: Bench) -> Row:
    """Send the same as JSON over HTTP."""
    plan = replace(bench.plan(in_flight=IN_FLIGHT), items=ITEMS)
    return _row("bulk_rest", "bulk REST, 1,000 a call", bench.measure(run_http_load, plan), "textbook_spread")


def bulk_plan(bench: Bench, *, vendors: int | None = None) -> LoadPlan:
    """Return a plan of bulk calls."""
    return replace(grpc_plan(bench, "bulk", in_flight=IN_FLIGHT, vendors=vendors), items=ITEMS)


def _row(name: str, title: str, measured: Measured, against: str) -> Row:
    figures = (
        Figure("settled", measured.rate, "/s", against),
        Figure("accept p50 of a call", measured.report.p50_ms, "ms"),
        Figure("accept p99 of a call", measured.report.p99_ms, "ms"),
    )
    return Row(name, title, figures, measured.cpu_us, measured.details)
