"""What processes cost: the CPU time of a process and everything below it, from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return the CPU time used so far by these processes, their descendants, and the ended ones that those have waited for."""
    children: dict[int, list[int]] = {}
    used: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The second field, the name, is in parentheses and may hold anything; the fourth is the parent; 14 to 17 are the times.
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended since
        pid = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        used[pid] = sum(map(int, fields[11:15]))
    total, left = 0, list(roots)
    while left:
        pid = left.pop()
        total += used.get(pid, 0)
        left += children.get(pid, [])
    return total / TICKS_PER_SECOND
