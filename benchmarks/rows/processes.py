"""Two of every server and worker on the same machine: what one more process brings, or costs, where the processors are taken already."""

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row
from benchmarks.rows.rest import peak, run_http, warm_up
from benchmarks.system import running_system

CONNECTIONS = 256
TWO_OF_EACH = {"CHARGING_PROCESSES": "2", "CHARGING_SETTLE_SLOTS": "2"}
"""Slots are what workers share; with one slot the second worker would only wait."""


def processes_2(bench: Bench) -> Row:
    """Load a second system that has two of each process; the first one stands idle meanwhile."""
    peak(bench)
    world = bench.system.world
    with (
        running_system(vendors=len(world.vendors), customers=len(world.customers), parent=bench.folder, settings=TWO_OF_EACH) as system,
        system.connect() as connection,
    ):
        double = Bench(system, connection, bench.seconds, bench.growth_charges, bench.profile_folder, bench.folder)
        warm_up(double)
        measured = double.measure(run_http, double.plan(in_flight=CONNECTIONS))
    figures = (
        Figure("settled", measured.rate, "/s", "peak"),
        Figure("accept p50", measured.report.p50_ms, "ms"),
        Figure("accept p99", measured.report.p99_ms, "ms"),
    )
    return Row("processes_2", "REST, 256 connections, two of each process", figures, measured.cpu_us, measured.details)
