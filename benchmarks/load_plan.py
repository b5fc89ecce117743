"""What a load generator is told, and what it tells: one JSON object each way, since every generator is a process of its own."""

import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The load of one row.

    `in_flight` calls (for HTTP: connections) are under way at most, each followed by the next at once; or, with a `rate`, calls begin at
    random moments at `rate` a second on average, whether or not earlier ones were answered. `tokens` are those of the vendors, in order;
    `items` per call make it a bulk call with the token `service_token`. Every `wait_every`-th call asks to wait for the final state.
    `limit` ends the load after that many calls. A caller who finds no free connection waits for one, or with `gives_up` goes away.
    """

    port: int
    vendors: tuple[int, ...]
    tokens: tuple[str, ...]
    service_token: str
    customers: tuple[int, ...]
    seconds: float
    in_flight: int
    rate: float = 0.0
    items: int = 0
    wait_every: int = 0
    limit: int = 0
    gives_up: bool = False
    transport: str = ""
    keys_dir: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a generator saw.

    `started_at` and `ended_at` are of the first send and the last answer, in seconds since 1970. `statuses` counts answers by status,
    `reasons` refusals by reason. Latencies are in milliseconds, from when a call was due; `late_p99_ms` is how late the generator itself
    was: when that is small, it was not the bottleneck. `unsent` calls were due and found no free connection: until the end or, of callers
    who give up, at that moment.
    """

    started_at: float
    ended_at: float
    calls: int
    statuses: dict[str, int]
    cpu_seconds: float
    reasons: dict[str, int] = field(default_factory=dict)
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    waited_p50_ms: float = 0.0
    waited_p99_ms: float = 0.0
    refused_p99_ms: float = 0.0
    late_p99_ms: float = 0.0
    unsent: int = 0
    broken: int = 0

    @property
    def acknowledged(self) -> int:
        """Return how many calls succeeded."""
        return sum(count for status, count in self.statuses.items() if status in {"200", "202", "0", "2xx"})


class LoadFailed(Exception):
    """A generator did not run through; the message is its last words."""


def plan_from(text: str) -> LoadPlan:
    """Return the plan that a generator reads."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()}
    return LoadPlan(**values)


def run_generator(module: str, plan: LoadPlan) -> LoadReport:
    """Run a generator of ours to its end. Raises LoadFailed."""
    outcome = subprocess.run(  # noqa: S603 - a program of ours
        [sys.executable, "-m", module], input=json.dumps(dataclasses.asdict(plan)), capture_output=True, text=True, check=False
    )
    if outcome.returncode != 0:
        raise LoadFailed(f"{module}: {outcome.stderr.strip()[-2000:]}")
    return LoadReport(**json.loads(outcome.stdout))
