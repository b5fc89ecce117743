"""An idle system: a lone charge waits for nobody, and nobody works for nothing. The figures are printed with `pytest -rP`."""

import statistics
import threading
import time
from pathlib import Path

import httpx
import pytest

from shared.local.stack import Stack
from tests.system.office import Office, caller
from tests.system.process_tree import cpu_seconds

CHARGES = 20
SETTLED_MS_MAX = 250
"""Tens of milliseconds on an idle machine; this test shares its machine with whatever else runs there."""

WATCHED_SECONDS = 10
CPU_SHARE_MAX = 0.05
"""Of one core, for everything: PostgreSQL, two Redis, six processes and their supervisor. Seen: 0.02 to 0.03."""


def test_a_lone_charge_is_final_within_tens_of_milliseconds(office: Office, url: str) -> None:
    """The worker is woken, not polling: accepting and settling one charge takes less than a blink."""
    partner = office.partner(credit=1_000)
    took_ms = []
    with caller(url, partner.token) as client:
        for _ in range(CHARGES):
            started = time.perf_counter()
            answer = client.post("/api/customer/increase-credit/", json=partner.order(1), headers={"Prefer": "wait=5"})
            took_ms.append((time.perf_counter() - started) * 1_000)
            assert (answer.status_code, answer.json()["status"]) == (httpx.codes.OK, "succeeded")
    print(f"accepted and settled: p50 {statistics.median(took_ms):.1f} ms, max {max(took_ms):.1f} ms")
    assert statistics.median(took_ms) < SETTLED_MS_MAX


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU time is read from /proc")
def test_an_idle_stack_costs_next_to_nothing(stack: Stack) -> None:
    """Nothing spins: all processes together leave a core alone while nobody calls."""
    roots = [*stack.pids().values(), *(engine.pid for engine in stack.engines.values())]
    before = cpu_seconds(roots)
    threading.Event().wait(WATCHED_SECONDS)  # the time watched, not a guess at how long something takes
    share = (cpu_seconds(roots) - before) / WATCHED_SECONDS
    print(f"idle: {share:.2%} of one core")
    assert share < CPU_SHARE_MAX
