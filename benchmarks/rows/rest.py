"""REST, one charge a request, every connection sending its next request when the last is answered."""

from benchmarks.bench import Bench, Measured
from benchmarks.figures import Figure, Row
from benchmarks.load_plan import LoadPlan, LoadReport, run_generator
from benchmarks.wrk import run_wrk, wrk_program

WARM_UP_SECONDS = 2.0


def run_http(plan: LoadPlan) -> LoadReport:
    """Run a closed loop by wrk where that is installed, else by the generator of this folder."""
    wrk = wrk_program()
    return run_wrk(wrk, plan) if wrk is not None else run_generator("benchmarks.http_load", plan)


def rest_1(bench: Bench) -> Row:
    """Use one connection: what a careful, sequential partner gets."""
    return _row("rest_1", "REST, 1 connection", bench.measure(run_http, bench.plan(in_flight=1)), "textbook_spread")


def rest_64(bench: Bench) -> Row:
    """Use 64 connections over all vendors."""
    return _row("rest_64", "REST, 64 connections", bench.measure(run_http, bench.plan(in_flight=64)), "textbook_spread")


def rest_256(bench: Bench) -> Row:
    """Use 256 connections over all vendors: the peak that later rows refer to."""
    measured = bench.measure(run_http, bench.plan(in_flight=256))
    bench.baselines["peak"] = measured.rate
    return _row("rest_256", "REST, 256 connections", measured, "textbook_spread")


def rest_hot(bench: Bench) -> Row:
    """Use 256 connections, all charging one vendor."""
    measured = bench.measure(run_http, bench.plan(in_flight=256, vendors=1))
    return _row(
        "rest_hot", "REST, 256 connections, 1 hot vendor", measured, "textbook_hot", Figure("of spread", measured.rate, "/s", "peak")
    )


def warm_up(bench: Bench) -> None:
    """Let connections, caches and prepared statements come to be, so that no row pays for them."""
    bench.measure(run_http, bench.plan(in_flight=64, seconds=WARM_UP_SECONDS), audit=False)


def peak(bench: Bench) -> float:
    """Return the settled rate at 256 connections, measured now if no row did before."""
    if "peak" not in bench.baselines:
        bench.baselines["peak"] = bench.measure(run_http, bench.plan(in_flight=256), audit=False).rate
    return bench.baselines["peak"]


def _row(name: str, title: str, measured: Measured, against: str, *more: Figure) -> Row:
    figures = (
        Figure("settled", measured.rate, "/s", against),
        *more,
        Figure("accept p50", measured.report.p50_ms, "ms"),
        Figure("accept p99", measured.report.p99_ms, "ms"),
    )
    return Row(name, title, figures, measured.cpu_us, measured.details)
