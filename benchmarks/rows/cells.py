"""The same machine with the rows in four schemas in place of one: what cells cost where they bring nothing yet."""

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row
from benchmarks.rows.rest import peak, run_http, warm_up
from benchmarks.system import running_system

CONNECTIONS = 256
FOUR_CELLS = {"CHARGING_CELLS": "4"}


def cells_4(bench: Bench) -> Row:
    """Load a second system that has four cells; the first one stands idle meanwhile."""
    peak(bench)
    world = bench.system.world
    with (
        running_system(vendors=len(world.vendors), customers=len(world.customers), parent=bench.folder, settings=FOUR_CELLS) as system,
        system.connect() as connection,
    ):
        divided = Bench(system, connection, bench.seconds, bench.growth_charges, bench.profile_folder, bench.folder)
        warm_up(divided)
        measured = divided.measure(run_http, divided.plan(in_flight=CONNECTIONS))
    figures = (
        Figure("settled", measured.rate, "/s", "peak"),
        Figure("accept p50", measured.report.p50_ms, "ms"),
        Figure("accept p99", measured.report.p99_ms, "ms"),
    )
    return Row("cells_4", "REST, 256 connections, four cells", figures, measured.cpu_us, measured.details)
