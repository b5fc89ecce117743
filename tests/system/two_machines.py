"""One system on two machines, played by two stacks: each has a process of every kind, on ports of its own, found by round robin.

Unlike with processes that share a port, no kernel hands connections to whoever is there: clients themselves leave a process that goes.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from shared.local.choices import METRICS_PORT_SETTING, SECRET_NAMES, choose
from shared.local.env_file import keep_secrets
from shared.local.ports import LOOPBACK, free_range
from shared.local.processes import PROGRAMS
from shared.local.stack import Stack
from tests.databases import CELLS
from tests.system.stacks import POSTGRES_SETTINGS

CELLS_SETTING = "CHARGING_CELLS"

SERVER_OF = {"identity": "gateway", "vendor_credit": "vendor_credit", "customer_charge": "customer_charge"}
"""Whose calls are served by which process."""

METRICS_PORTS = (19_100, 19_200)
"""Where to look for ports in a row that nobody uses, one for each process of a machine."""

Machines = tuple[Stack, Stack]


@contextmanager
def two_machines(folder: Path) -> Iterator[Machines]:
    """Start both machines, the first of which has the engines as well, and give them; stop them at the end."""
    folder.mkdir()
    secrets = keep_secrets(folder / "secrets", SECRET_NAMES)
    first = Stack(
        choose(folder / "1", {METRICS_PORT_SETTING: _metrics_port(0), CELLS_SETTING: str(CELLS)}, secrets, known_ports=False),
        postgres_settings=POSTGRES_SETTINGS,
    )
    engines = {name: first.environment[name] for name in ("DATABASE_URL", "REDIS_URL", "CHARGING_CACHE_REDIS_URL")}
    shared = {"CHARGING_PROFILE": first.choices.profile, METRICS_PORT_SETTING: _metrics_port(1), CELLS_SETTING: str(CELLS)}
    second = Stack(choose(folder / "2", engines | shared, secrets, known_ports=False))
    addresses = {f"CHARGING_{service.upper()}_ADDRESS": round_robin((first, second), service) for service in SERVER_OF}
    for stack in (first, second):
        stack.supervision.environment.update(addresses)
    try:
        first.start_engines()
        first.prepare()
        second.state.mkdir()
        # One set of keys, as a deployment has: whoever holds one speaks for every process of its kind.
        shutil.copytree(first.state / "keys", second.state / "keys")
        for stack in (first, second):
            stack.supervision.start()
        for stack in (first, second):
            stack.wait_ready()
        yield first, second
    finally:
        second.stop()
        first.stop()


def round_robin(machines: Sequence[Stack], service: str) -> str:
    """Return the gRPC target that names a service's process on every machine."""
    setting = f"CHARGING_{service.upper()}_PORT"
    return "ipv4:" + ",".join(f"{LOOPBACK}:{stack.choices.ports[setting]}" for stack in machines)


def calls_served(stack: Stack, service: str) -> int:
    """Return how many calls a machine's process of a service has answered with OK since it began."""
    place = next(index for index, one in enumerate(stack.instances) if one.name == SERVER_OF[service])
    metrics = httpx.get(f"http://{LOOPBACK}:{stack.choices.ports[METRICS_PORT_SETTING] + place}/metrics").text
    counts = [line for line in metrics.splitlines() if line.startswith("charging_calls_total") and 'code="OK"' in line]
    return int(sum(float(line.rpartition(" ")[2]) for line in counts))


def _metrics_port(machine: int) -> str:
    return str(free_range(METRICS_PORTS[machine], len(PROGRAMS)))
