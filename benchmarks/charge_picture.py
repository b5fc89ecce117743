"""Where the microseconds of one charge go, as one picture: every process as wide as it costs, its functions below it by their samples."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.flame import Frame, flame

ROUND_UP_US = 0.05
"""Processes that cost less are left out."""

START_UP = ("<frozen ", "asyncio/", "uvloop/", "shared/main.py", "threading.py")
"""Files whose frames lie below every stack and say nothing."""


def write_charge_picture(folder: Path, run: str, cpu_us: Mapping[str, float]) -> Path:
    """Write the picture of a run that was profiled into `folder`, from what each process cost a charge, and return its path."""
    root = Frame("one charge")
    for process, cost in sorted(cpu_us.items(), key=lambda one: -one[1]):
        if cost >= ROUND_UP_US:
            stacks = folder / f"{run}.{process}.txt"
            lines = stacks.read_text().splitlines() if stacks.exists() else []
            root.callees[process] = process_frame(process, cost, lines)
            root.samples += root.callees[process].samples
    path = folder / f"{run}.charge.svg"
    path.write_text(flame(root, f"One charge: {root.samples / 1000:.0f} microseconds of processor time in all processes"))
    return path


def process_frame(process: str, cost_us: float, lines: Iterable[str]) -> Frame:
    """Return a process as a frame, in nanoseconds: its cost, divided among the stacks of its samples."""
    stacks = [(stack.split(";"), int(count)) for stack, _, count in (line.rpartition(" ") for line in lines) if count.strip().isdecimal()]
    root = Frame(f"{process} {cost_us:.0f} us", round(cost_us * 1000))
    total = sum(count for _, count in stacks)
    for stack, count in stacks:
        frame, nanoseconds = root, round(cost_us * 1000 * count / total)
        for name in told(stack):
            frame = frame.callees.setdefault(name, Frame(name))
            frame.samples += nanoseconds
    return root


def told(stack: Iterable[str]) -> list[str]:
    """Return the functions of a stack, outermost first, without their lines and without what starts every process."""
    found = []
    for frame in stack:
        function, _, place = frame.partition(" (")
        file = place.rpartition(":")[0]
        if not file.startswith(START_UP) and not file.endswith("__main__.py"):
            found.append(f"{function} ({file})")
    return found
