"""Arm crash points of a running stack; see shared/crash_points.py."""

from collections.abc import Callable
from pathlib import Path

from shared.local.stack import Stack
from tests.support import wait_until

FALL_SECONDS = 60.0
"""How long a point may take to be reached, and its process to be started anew, on a busy machine."""


class CrashFolder:
    """The folder that the processes of one stack watch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def arm(self, point: str, service: str = "", *, hit: int = 1) -> None:
        """Let the process of the service die at its `hit`-th arrival at the point."""
        self._write(point, f"{hit} {service}")

    def armed(self, point: str) -> bool:
        """Tell whether the point waits for its process still."""
        return (self.folder / point).exists()

    def disarm(self) -> None:
        """Take everything back."""
        for file in self.folder.iterdir():
            file.unlink(missing_ok=True)

    def shift_clock(self, seconds: float) -> None:
        """Set the time of day of every process off by so much; 0 is the truth."""
        self._write("clock", str(seconds))

    def _write(self, name: str, text: str) -> None:
        # Renamed into place: a process may look at any moment.
        draft = self.folder / f".{name}"
        draft.write_text(text)
        draft.rename(self.folder / name)


def arm(stack: Stack, crashes: CrashFolder, point: str, service: str, *, hit: int = 1) -> Callable[[], None]:
    """Arm a point, and return what waits until the process has died there and its successor lives."""
    wait_until(lambda: service in stack.pids(), f"{service} to live", FALL_SECONDS)
    pid = stack.pids()[service]
    crashes.arm(point, service, hit=hit)

    def fallen() -> None:
        wait_until(lambda: not crashes.armed(point), f"{service} to come to {point}", FALL_SECONDS)
        wait_until(lambda: stack.pids().get(service, pid) != pid, f"a successor of {service}", FALL_SECONDS)

    return fallen
