"""One charge at a time on an idle system: nobody to share a batch, an envelope or a commit with."""

from dataclasses import replace

from benchmarks.bare_commit import RATE
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row
from benchmarks.load_plan import LoadPlan, LoadReport, run_generator

CHARGES = 100


def run_lone_load(plan: LoadPlan) -> LoadReport:
    """Run the generator of lone charges."""
    return run_generator("benchmarks.lone_load", plan)


def lone(bench: Bench) -> Row:
    """Send charges that are accepted alone, then the same with waiting for the final state."""
    seconds = 2 * CHARGES / RATE
    plan = replace(bench.plan(in_flight=1, seconds=seconds), rate=RATE, limit=CHARGES)
    accepted = bench.measure(run_lone_load, plan, audit=False)
    waited = bench.measure(run_lone_load, replace(bench.plan(in_flight=1, seconds=seconds), rate=RATE, limit=CHARGES, wait_every=1))
    figures = (
        Figure("accept p50", accepted.report.p50_ms, "ms", "bare_commit"),
        Figure("accept p99", accepted.report.p99_ms, "ms"),
        Figure("accept to settled p50", accepted.settlement.p50_ms, "ms", "bare_commit"),
        Figure("accept to settled p99", accepted.settlement.p99_ms, "ms"),
        Figure("sent to told final p50", waited.report.waited_p50_ms, "ms", "bare_commit"),
        Figure("sent to told final p99", waited.report.waited_p99_ms, "ms"),
    )
    return Row("lone", "a lone charge", figures, accepted.cpu_us, {"accept": accepted.details, "wait": waited.details})
