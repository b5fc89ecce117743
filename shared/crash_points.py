"""Named places where a process of a test stack kills itself on command: after the power cut, what was promised must still hold.

A test that owns a stack in the development profile names a folder in CHARGING_FAULTS_DIR. A file there, called like a point, arms it: its
content is `<hit> [<service>]`, and the process of that service (any, if none is named) that comes to the point for the hit-th time removes
the file and kills itself with SIGKILL. So each file kills one process once, and its successor lives. The file `clock` holds a number of
seconds by which every process's time of day is off.

Points come by themselves: `<operation>.before_commit` and `<operation>.after_commit` for each file in a service's `operations`,
`<Method>.before_call` and `<Method>.after_call` for each RPC that leaves a process. Others are one line: `crash_point("hint.before_send")`.

Without the folder, and always in production, a point is a comparison with None.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from shared import clock
from shared.settings import CommonSettings

CLOCK_FILE = "clock"


class CrashPoints:
    """The points of one process that watches a folder."""

    def __init__(self, folder: Path, service: str, *, die: Callable[[], None] | None = None) -> None:
        """`die` ends the process at once; tests of this class hand in something milder."""
        self._folder = folder
        self._service = service
        self._die = die or _kill_this_process
        self._hits: Counter[tuple[str, int]] = Counter()

    def reach(self, name: str) -> None:
        """Come to a point, and end there if it is armed for this process and this hit."""
        file = self._folder / name
        try:
            wanted, _, service = file.read_text().strip().partition(" ")
            armed = (name, file.stat().st_mtime_ns)
        except FileNotFoundError:
            return
        if service not in {"", self._service}:
            return
        self._hits[armed] += 1
        if self._hits[armed] == int(wanted):
            file.unlink(missing_ok=True)
            self._die()

    def clock_offset(self) -> timedelta:
        """Return by how much this process's time of day is off now."""
        try:
            return timedelta(seconds=float((self._folder / CLOCK_FILE).read_text()))
        except (FileNotFoundError, ValueError):  # none, or one that is just being written
            return timedelta()


_points: CrashPoints | None = None


def arm(settings: CommonSettings, service: str) -> None:
    """Let this process watch the folder of faults, if the settings name one. They cannot outside the development profile."""
    global _points  # noqa: PLW0603 - one process dies once: there is nothing to compose
    if settings.faults_dir is not None:
        _points = CrashPoints(settings.faults_dir, service)
        clock.shift_by(_points.clock_offset)


def armed() -> bool:
    """Tell whether this process watches a folder of faults."""
    return _points is not None


def crash_point(name: str, work: object = None) -> None:
    """Be a place to die. With `work`, a function of an operation's file, the name begins with the file's: `accept_charges.after_commit`."""
    if _points is not None:
        _points.reach(name if work is None else f"{operation_of(work)}.{name}")


def operation_of(work: object) -> str:
    """Return the name of the file that a function was written in, without its folder and ending."""
    return str(getattr(work, "__module__", "")).rpartition(".")[2]


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
