"""REST with callers that do not wait for each other: requests come at random moments at a given rate."""

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row
from benchmarks.load_plan import LoadPlan, LoadReport, run_generator
from benchmarks.rows.rest import peak

HALF_CONNECTIONS = 256
WAIT_EVERY = 50
"""One call in so many asks to wait for the final state: enough for a percentile, too few to be a load of its own."""

OVERLOAD = 3.0
"""Times the peak."""

OVERLOAD_SECONDS = 60.0
"""Of a full run."""

OVERLOAD_CONNECTIONS = 4_096
"""More than the gateway works on at a time, so that it has to refuse: with few connections callers would queue among themselves."""


def run_http_load(plan: LoadPlan) -> LoadReport:
    """Run the HTTP generator of this folder."""
    return run_generator("benchmarks.http_load", plan)


def open_half(bench: Bench) -> Row:
    """Offer half of the peak: the latencies of a busy, healthy day."""
    rate = peak(bench) / 2
    plan = replace(bench.plan(in_flight=HALF_CONNECTIONS), rate=rate, wait_every=WAIT_EVERY)
    measured = bench.measure(run_http_load, plan)
    report, settlement = measured.report, measured.settlement
    figures = (
        Figure("settled", measured.rate, "/s"),
        Figure("accept p50", report.p50_ms, "ms", "bare_commit"),
        Figure("accept p99", report.p99_ms, "ms"),
        Figure("accept to settled p50", settlement.p50_ms, "ms"),
        Figure("accept to settled p99", settlement.p99_ms, "ms"),
        Figure("sent to told final p50", report.waited_p50_ms, "ms"),
        Figure("sent to told final p99", report.waited_p99_ms, "ms"),
    )
    return Row("open_half", f"REST, open loop at {rate:,.0f}/s (half of peak)", figures, measured.cpu_us, measured.details)


def overload(bench: Bench) -> Row:
    """Offer three times the peak: what is accepted settles, the rest gets a typed refusal, and memory stays bounded."""
    rate = peak(bench) * OVERLOAD
    seconds = OVERLOAD_SECONDS if bench.full else bench.seconds
    plan = replace(bench.plan(in_flight=OVERLOAD_CONNECTIONS, seconds=seconds), rate=rate, gives_up=True)
    measured = bench.measure(run_http_load, plan)
    before, after = measured.memory_mib_before, measured.memory_mib_after
    report = measured.report
    refused = report.calls - report.acknowledged - report.broken
    offered = max(1, report.calls + report.unsent)
    figures = (
        Figure("accepted and settled", measured.rate, "/s", "peak"),
        Figure("refused, typed", 100 * (refused - report.reasons.get("UNTYPED", 0)) / offered, "%"),
        Figure("no typed answer", 100 * (report.broken + report.reasons.get("UNTYPED", 0)) / offered, "%"),
        Figure("found no free connection", 100 * report.unsent / offered, "%"),
        Figure("accept p99", report.p99_ms, "ms"),
        Figure("refuse p99", report.refused_p99_ms, "ms"),
        Figure("memory before, all processes", sum(before.values()), "MiB"),
        Figure("memory after, all processes", sum(after.values()), "MiB"),
    )
    return Row("overload", f"REST, open loop at {rate:,.0f}/s ({OVERLOAD:g} x peak)", figures, measured.cpu_us, measured.details)
