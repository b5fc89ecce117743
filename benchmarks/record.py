"""The record of a run: everything that was measured, as JSON, and the plot of it."""

import argparse
import dataclasses
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import lines_of
from benchmarks.plot import plot
from benchmarks.wrk import wrk_program


def write_record(folder: Path, bench: Bench, baselines: list[dict[str, float]], options: argparse.Namespace) -> Path:
    """Write `<time>.json`, `latest.json` and `latest.svg`; return the first."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    lines = lines_of(bench.rows, bench.baselines)
    record: dict[str, Any] = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
        },
        "seconds": options.seconds,
        "closed_loop_by": "wrk" if wrk_program() else "benchmarks.http_load",
        "baselines": bench.baselines,
        "baselines_before_and_after": baselines,
        "figures": [dataclasses.asdict(line) for line in lines],
        "rows": [dataclasses.asdict(row) for row in bench.rows],
    }
    text = json.dumps(record, indent=2) + "\n"
    path = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(text)
    (folder / "latest.json").write_text(text)
    machine = f"{os.cpu_count()} CPUs, everything on one machine, {options.seconds:g} s a row"
    (folder / "latest.svg").write_text(plot(lines, f"Charges settled a second ({machine})"))
    return path
