"""One benchmark run: what every row needs, and how a load becomes figures that count settled charges only."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.charge_picture import write_charge_picture
from benchmarks.consumption import cpu_seconds, memory_mib, microseconds_per_charge
from benchmarks.figures import Row
from benchmarks.load_plan import LoadFailed, LoadPlan, LoadReport
from benchmarks.profiling import profiled
from benchmarks.settlement import Settlement, wait_settled
from benchmarks.system import System

Load = Callable[[LoadPlan], LoadReport]


@dataclass(frozen=True, slots=True)
class Measured:
    """One load and what became of its charges. `rate` is of settled charges a second, from the first send to the last settled."""

    report: LoadReport
    settlement: Settlement
    rate: float
    cpu_us: dict[str, float]
    audit_seconds: float
    memory_mib_before: dict[str, float]
    memory_mib_after: dict[str, float]

    @property
    def details(self) -> dict[str, object]:
        """Return what belongs into the record besides the figures."""
        report, settlement = self.report, self.settlement
        return {
            "calls": report.calls,
            "statuses": report.statuses,
            "reasons": report.reasons,
            "broken_connections": report.broken,
            "unsent": report.unsent,
            "generator_late_p99_ms": report.late_p99_ms,
            "generator_cpu_share": report.cpu_seconds / max(report.ended_at - report.started_at, 1e-9),
            "settled": settlement.succeeded,
            "failed": settlement.failed,
            "seconds_from_first_send_to_last_settled": settlement.ended_at - report.started_at,
            "seconds_from_last_answer_to_last_settled": settlement.ended_at - report.ended_at,
            "audit_seconds": self.audit_seconds,
            "memory_mib_before": self.memory_mib_before,
            "memory_mib_after": self.memory_mib_after,
        }


@dataclass(slots=True)
class Bench:
    """A run in progress.

    With a `profile_folder`, py-spy watches every process during every load. `folder` is where systems are made; `full` asks for the long
    form of rows that have one.
    """

    system: System
    connection: psycopg.Connection[tuple[object, ...]]
    seconds: float
    growth_charges: int
    profile_folder: Path | None = None
    folder: Path | None = None
    full: bool = False
    baselines: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    runs: int = 0

    def plan(self, *, vendors: int | None = None, in_flight: int, seconds: float | None = None) -> LoadPlan:
        """Return the plan of a closed loop over so many vendors (all of them by default)."""
        world = self.system.world
        self.runs += 1
        return LoadPlan(
            port=self.system.http_port,
            vendors=world.vendors[:vendors],
            tokens=world.vendor_tokens[:vendors],
            service_token=world.service_token,
            customers=world.customers,
            seconds=self.seconds if seconds is None else seconds,
            in_flight=in_flight,
            run=f"run-{self.runs}",
        )

    def measure(self, load: Load, plan: LoadPlan, *, audit: bool = True) -> Measured:
        """Run a load, wait until all of its charges are settled, and check the books.

        Raises LoadFailed when fewer charges exist than were acknowledged, NotSettled, and AuditFailed.
        """
        stack = self.system.stack
        memory_before = memory_mib(stack)
        before = cpu_seconds(stack)
        with profiled(stack, self.profile_folder, plan.run):
            report = load(plan)
        settlement = wait_settled(self.connection, report.started_at)
        after = cpu_seconds(stack)
        memory_after = memory_mib(stack)
        acknowledged = report.acknowledged * (plan.items if plan.items and not plan.transport else 1)
        if settlement.succeeded + settlement.failed < acknowledged:
            raise LoadFailed(f"{acknowledged} charges were acknowledged and {settlement.succeeded + settlement.failed} exist")
        if settlement.succeeded == 0:
            raise LoadFailed(f"no charge succeeded: answers {report.statuses}, reasons {report.reasons}")
        cpu_us = microseconds_per_charge(before, after, settlement.succeeded)
        cpu_us["load"] = report.cpu_seconds * 1e6 / settlement.succeeded
        if self.profile_folder is not None:
            write_charge_picture(self.profile_folder, plan.run, cpu_us)
        started = time.monotonic()
        if audit:
            self.system.audit()
        rate = settlement.succeeded / (settlement.ended_at - report.started_at)
        return Measured(report, settlement, rate, cpu_us, time.monotonic() - started, memory_before, memory_after)
