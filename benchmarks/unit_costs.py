"""What one charge costs besides processor time: log, disk, Redis, network. docs/scale.md is worked out from these figures.

    .venv/bin/python -m benchmarks.unit_costs [SECONDS]

Counted by the engines themselves, over a load and until its last charge is settled; the load's speed does not matter, but the size of its
batches does, so there are rows for many connections and for few.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks.load_plan import LoadPlan
from benchmarks.rows.rest import run_http
from benchmarks.settlement import wait_settled
from benchmarks.system import System, running_system

VENDORS, CUSTOMERS = 20, 1_000
CONNECTIONS = (256, 8)
SECONDS = 20.0
LOOPBACK_COUNTERS = Path("/proc/net/dev")

WAL = "SELECT wal_bytes::bigint, wal_fpi FROM pg_stat_wal"
SIZE = "SELECT pg_database_size(current_database())"
TABLES = """
SELECT relation.oid::regclass::text, pg_total_relation_size(relation.oid)
FROM pg_class AS relation JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
WHERE relation.relkind = 'r' AND schema.nspname IN ('vendor_credit', 'customer_charge', 'gateway')
"""
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


def reading(system: System, connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, float]:
    """Return everything that is counted, as it stands now."""
    # A back end tells of its log at most once a second, and when it is idle.
    time.sleep(1.5)
    found: dict[str, float] = {}
    wal, full_pages = _row(connection, WAL)
    found |= {
        "wal_bytes": wal,
        "wal_full_pages": full_pages,
        "database_bytes": _row(connection, SIZE)[0],
        "commits": _row(connection, COMMITS)[0],
    }
    found |= {f"table {name}": float(str(size)) for name, size in connection.execute(TABLES)}
    for name, setting in (("broker", "REDIS_URL"), ("cache", "CHARGING_CACHE_REDIS_URL")):
        with redis.Redis.from_url(system.environment[setting]) as client:
            stats: Mapping[str, Any] = client.info("stats")
            commands: Mapping[str, Any] = client.info("commandstats")
        found[f"{name} bytes"] = stats["total_net_input_bytes"] + stats["total_net_output_bytes"]
        found[f"{name} commands"] = stats["total_commands_processed"]
        found[f"{name} scripts"] = commands.get("cmdstat_evalsha", {}).get("calls", 0)
        found[f"{name} microseconds"] = sum(each["usec"] for command, each in commands.items() if command != "cmdstat_evalsha")
    found["network bytes"] = _loopback_bytes()
    return found


def _row(connection: psycopg.Connection[tuple[object, ...]], query: str) -> list[float]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None  # noqa: S101 - each of these returns one row
    return [float(str(value)) for value in row]


def _loopback_bytes() -> float:
    """Return what the loopback interface carried, of everything on this machine: nothing else should run."""
    if not LOOPBACK_COUNTERS.exists():
        return 0.0
    line = next(line for line in LOOPBACK_COUNTERS.read_text().splitlines() if line.strip().startswith("lo:"))
    return float(line.split(":")[1].split()[0])


def measure(system: System, connection: psycopg.Connection[tuple[object, ...]], connections: int, seconds: float) -> dict[str, object]:
    """Return what a charge cost under one load."""
    connection.execute("CHECKPOINT")
    plan = LoadPlan(
        port=system.http_port,
        vendors=system.world.vendors,
        tokens=system.world.vendor_tokens,
        service_token=system.world.service_token,
        customers=system.world.customers,
        seconds=seconds,
        in_flight=connections,
        run=f"unit-{connections}-{time.time_ns()}",
    )
    before = reading(system, connection)
    report = run_http(plan)
    settlement = wait_settled(connection, report.started_at)
    after = reading(system, connection)
    charges = settlement.succeeded + settlement.failed
    each = {name: round((after[name] - before.get(name, 0.0)) / charges, 4) for name in after}
    return {"connections": connections, "charges": charges, "per_charge": {name: value for name, value in each.items() if value}}


def main() -> None:
    """Print one JSON object for each load."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    # On a disk: a file system in memory would have no log to speak of.
    with running_system(vendors=VENDORS, customers=CUSTOMERS, parent=Path(tempfile.gettempdir())) as system, system.connect() as connection:
        measure(system, connection, max(CONNECTIONS), 3.0)
        for connections in CONNECTIONS:
            print(json.dumps(measure(system, connection, connections, seconds), indent=2), flush=True)
        system.audit()


if __name__ == "__main__":
    main()
