"""A load generator for HTTP: `python -m benchmarks.http_load` reads a LoadPlan and prints a LoadReport.

Closed loop: every connection sends its next request when the last is answered. Open loop: requests are due at random moments at a given
average rate, whatever the answers do, and latency counts from the moment a request was due, so a stall is not hidden by sending less.
"""

import asyncio
import dataclasses
import json
import random
import re
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from itertools import count

from benchmarks.charge_requests import batch_requests, charge_requests
from benchmarks.http_connection import BROKEN, HttpConnection
from benchmarks.load_plan import LoadFailed, LoadPlan, LoadReport, plan_from
from benchmarks.statistics import percentile

HOST = "127.0.0.1"
SOURCES = tuple(f"127.0.0.{number}" for number in range(2, 6))
"""Addresses that callers come from, in turn: many partners, of whom none opens more connections than one address may."""

ANSWER_SECONDS_MAX = 30.0
"""How long the last answers are waited for."""

TICK_SECONDS = 0.001
"""How often an open loop looks whether requests are due: well below any latency that it measures."""

CONNECTIONS_AT_A_TIME = 64
"""Opened together: more would overflow a listener's backlog."""

_REASON = re.compile(rb'"reason": ?"([A-Z_]+)"')
_OK_MAX = 299


class HttpLoad:
    """One run of a plan."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._requests: Iterator[tuple[bytes, bool]] = batch_requests(plan) if plan.items else charge_requests(plan)
        self._loop = asyncio.get_running_loop()
        self._numbers = count()
        self._idle: list[HttpConnection] = []
        self._all: set[HttpConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._due: deque[float] = deque()
        self._statuses: Counter[int] = Counter()
        self._reasons: Counter[str] = Counter()
        self._latencies: list[float] = []
        self._waited: list[float] = []
        self._refused: list[float] = []
        self._late: list[float] = []
        self._sent = 0
        self._gone = 0
        self._under_way = 0
        self._sending = False
        self._done = asyncio.Event()

    async def run(self) -> LoadReport:
        """Run the plan and return what was seen."""
        for start in range(0, self._plan.in_flight, CONNECTIONS_AT_A_TIME):
            await asyncio.gather(*[self._connect() for _ in range(min(CONNECTIONS_AT_A_TIME, self._plan.in_flight - start))])
        self._sending = True
        started_at = time.time()
        self._loop.call_later(self._plan.seconds, self._stop)
        if self._plan.rate:
            await self._arrive()
        else:
            for _ in range(self._plan.in_flight):
                self._follow_up()
        try:
            async with asyncio.timeout(self._plan.seconds + ANSWER_SECONDS_MAX):
                await self._done.wait()
        except TimeoutError:
            raise LoadFailed(f"{self._under_way} calls without an answer: {self._unanswered()}") from None
        ended_at = time.time()
        for connection in self._all:
            connection.close()
        return self._report(started_at, ended_at)

    async def _connect(self) -> None:
        source = (SOURCES[next(self._numbers) % len(SOURCES)], 0)
        _, connection = await self._loop.create_connection(lambda: HttpConnection(self._answered), HOST, self._plan.port, local_addr=source)
        self._all.add(connection)
        self._idle.append(connection)
        self._follow_up()

    async def _arrive(self) -> None:
        """Let requests become due until the end, at exponentially distributed intervals: a Poisson process, as independent callers make."""
        interval = random.Random(self._plan.run).expovariate
        due = time.perf_counter()
        while self._sending:
            now = time.perf_counter()
            while due <= now:
                self._late.append(now - due)
                self._due.append(due)
                self._follow_up()
                if self._plan.gives_up and self._due:
                    self._gone += 1
                    self._due.clear()
                due += interval(self._plan.rate)
            await asyncio.sleep(TICK_SECONDS)

    def _follow_up(self) -> None:
        """Send the next request when one is due and a connection is free."""
        if not self._sending or (self._plan.rate and not self._due):
            return
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                due = self._due.popleft() if self._plan.rate else time.perf_counter()
                request, waits = next(self._requests)
                self._under_way += 1
                self._sent += 1
                connection.send(request, due, waits)
                if self._sent == self._plan.limit:
                    self._sending = False
                return
            self._all.discard(connection)
        if len(self._all) + len(self._connecting) < self._plan.in_flight:
            # The server closes connections that were idle for some seconds.
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def _answered(self, connection: HttpConnection, status: int, body: bytes) -> None:
        self._statuses[status] += 1
        self._under_way -= 1
        latency = time.perf_counter() - connection.due
        if BROKEN < status <= _OK_MAX:
            (self._waited if connection.waits else self._latencies).append(latency)
        else:
            self._refused.append(latency)
            reason = _REASON.search(body)
            self._reasons[reason[1].decode() if reason is not None else "UNTYPED"] += 1
        if connection.open:
            self._idle.append(connection)
        else:
            self._all.discard(connection)
        self._follow_up()
        if not self._sending and self._under_way == 0:
            self._done.set()

    def _stop(self) -> None:
        self._sending = False
        if self._under_way == 0:
            self._done.set()

    def _unanswered(self) -> str:
        """Describe the calls that wait, by the time since they were due and whether they asked to wait."""
        now = time.perf_counter()
        waiting = [connection for connection in self._all if connection.busy]
        return ", ".join(f"{now - connection.due:.1f} s{' (wait)' if connection.waits else ''}" for connection in waiting[:20]) or "none"

    def _report(self, started_at: float, ended_at: float) -> LoadReport:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        return LoadReport(
            started_at=started_at,
            ended_at=ended_at,
            calls=self._sent,
            statuses={str(status): count for status, count in sorted(self._statuses.items()) if status != BROKEN},
            cpu_seconds=spent.ru_utime + spent.ru_stime,
            reasons=dict(self._reasons),
            p50_ms=percentile(self._latencies, 50) * 1000,
            p99_ms=percentile(self._latencies, 99) * 1000,
            waited_p50_ms=percentile(self._waited, 50) * 1000,
            waited_p99_ms=percentile(self._waited, 99) * 1000,
            refused_p99_ms=percentile(self._refused, 99) * 1000,
            late_p99_ms=percentile(self._late, 99) * 1000,
            unsent=self._gone + len(self._due),
            broken=self._statuses[BROKEN],
        )


async def generate(plan: LoadPlan) -> LoadReport:
    """Run one plan."""
    return await HttpLoad(plan).run()


def main() -> None:
    """Read the plan, run it, print the report."""
    import uvloop

    plan = plan_from(sys.stdin.read())
    print(json.dumps(dataclasses.asdict(uvloop.run(generate(plan)))))


if __name__ == "__main__":
    main()
