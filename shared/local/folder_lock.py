"""One stack at a time in a state folder, and who that is.

The lock is on an open file (flock), so it ends with its last holder however that ends. The holder's engines inherit the file: after a kill
the lock stays until they have written their data and gone too.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.05


class FolderInUse(Exception):
    """Another stack runs in this folder. `pid` is its runner, None when only its remains are left."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        super().__init__(
            f"already running in {folder} (pid {pid}); `make down` stops it" if pid else f"an earlier run in {folder} is still ending"
        )
        self.pid = pid


class FolderLock:
    """The lock of one state folder."""

    def __init__(self, folder: Path) -> None:
        """Prepare the lock; the folder is made when it is missing."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, wait_seconds: float = 45.0) -> Self:
        """Take the lock. Raises FolderInUse at once for a living runner, and after `wait_seconds` for one whose remains do not go."""
        deadline = time.monotonic() + wait_seconds
        while not self._try():
            pid = self.runner()
            if pid is not None or time.monotonic() > deadline:
                raise FolderInUse(self.folder, pid)
            time.sleep(POLL_SECONDS)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()} {started_at(os.getpid())}\n".encode(), 0)
        return self

    def runner(self) -> int | None:
        """Return the pid of the living runner that holds the lock; a process that merely got its number since does not count."""
        content = os.pread(self._fd, 100, 0).decode().split()
        if len(content) != 2:  # noqa: PLR2004 - pid and start time
            return None
        pid = int(content[0])
        return pid if started_at(pid) == content[1] else None

    def held(self) -> bool:
        """Return whether anybody else holds the lock."""
        if not self._try():
            return True
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return False

    def fileno(self) -> int:
        """Return the open file, for those who shall hold the lock along with us."""
        return self._fd

    def release(self) -> None:
        """Give the lock up; whoever inherited it still holds it."""
        os.close(self._fd)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def started_at(pid: int) -> str:
    """Return when a process started, as the kernel counts it; "-" when there is no such process, or no /proc but the process lives."""
    try:
        # Field 22; the second field, the name, may hold spaces and parentheses.
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "-" if not Path("/proc/self").exists() and _lives(pid) else "gone"
    # A zombie has ended; it only waits for its parent to notice.
    return "gone" if stat[0] == "Z" else stat[19]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It lives, as somebody else.
    return True
