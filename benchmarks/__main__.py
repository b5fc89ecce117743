"""Run the benchmark and print one table: `python -m benchmarks`, or `make bench`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bare_commit import bare_commit_ms
from benchmarks.bench import Bench
from benchmarks.figures import lines_of
from benchmarks.record import write_record
from benchmarks.rows import FULL_ONLY, ROWS
from benchmarks.rows.rest import warm_up
from benchmarks.system import running_system
from benchmarks.table import cpu_table, memory_table, table
from benchmarks.textbook import Textbook

VENDORS = 20
CUSTOMERS = 1_000
QUICK_SECONDS = 5.0
FULL_SECONDS = 15.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; returns the exit status."""
    options = parse(arguments)
    folder = Path(__file__).parent / "results"
    with running_system(vendors=VENDORS, customers=CUSTOMERS, parent=options.folder) as system, system.connect() as connection:
        textbook = Textbook(system.stack.choices.admin_url, system.stack.state, CUSTOMERS)
        textbook.prepare(VENDORS)
        bench = Bench(system, connection, options.seconds, options.growth_charges, options.profile, options.folder, full=options.full)
        baselines = [_baseline(textbook, options.seconds)]
        warm_up(bench)
        for name in options.rows:
            _tell(f"{name} ...")
            started = time.monotonic()
            bench.rows.append(ROWS[name](bench))
            first = bench.rows[-1].figures[0]
            _tell(f"{name}: {first.label} {first.value:,.1f} {first.unit} (took {time.monotonic() - started:.0f} s)")
        baselines.append(_baseline(textbook, options.seconds))
    # The machine is never quite the same twice: each baseline is the mean of before and after.
    means = {name: (baselines[0][name] + baselines[1][name]) / 2 for name in baselines[0]}
    bench.baselines.update(means)
    lines = lines_of(bench.rows, bench.baselines)
    print("\n\n".join(part for part in (table(lines), cpu_table(bench.rows), memory_table(bench.rows)) if part))
    print(f"\nevery row ended with all charges settled and the books checked; record: {write_record(folder, bench, baselines, options)}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the system beside the textbook way. BENCH=full is --full."
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="all short rows, in a few minutes (the default)")
    length.add_argument(
        "--full", action="store_true", default=os.environ.get("BENCH") == "full", help="longer rows, and the growth of the database"
    )
    parser.add_argument("--rows", nargs="+", choices=sorted(ROWS), metavar="ROW", help=f"only these of {', '.join(ROWS)}")
    parser.add_argument("--seconds", type=float, help=f"load of each row; {QUICK_SECONDS:g}, with --full {FULL_SECONDS:g}")
    parser.add_argument("--growth-charges", type=int, default=5_000_000, help="charges in the database for the growth row")
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder; on a real disk")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="let py-spy watch every process during every row, into this folder")
    options = parser.parse_args(arguments)
    options.full = options.full and not options.quick
    options.seconds = options.seconds or (FULL_SECONDS if options.full else QUICK_SECONDS)
    chosen = options.rows or [name for name in ROWS if options.full or name not in FULL_ONLY]
    options.rows = [name for name in ROWS if name in chosen]
    return options


def _baseline(textbook: Textbook, seconds: float) -> dict[str, float]:
    _tell("textbook ...")
    found = {
        "bare_commit": bare_commit_ms(textbook.admin_url),
        "textbook_spread": textbook.rate(VENDORS, seconds),
        "textbook_hot": textbook.rate(1, seconds),
    }
    _tell("textbook: " + ", ".join(f"{name} {value:,.1f}" for name, value in found.items()))
    return found


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
