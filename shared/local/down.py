"""`make down`: stop the stack that runs in this folder, whichever terminal it was started in."""

import os
import signal
import sys
import time

from shared.local.folder_lock import FolderLock
from shared.local.state_folder import state_folder

STOP_SECONDS_MAX = 60.0
POLL_SECONDS = 0.1


def main() -> int:
    """Ask the runner to stop and wait until it and its engines are gone. Returns 0 as well when nothing runs."""
    state = state_folder()
    if not state.exists():
        print(f"nothing runs in {state}")
        return 0
    lock = FolderLock(state)
    if not lock.held():
        print(f"nothing runs in {state}")
        return 0
    pid = lock.runner()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while lock.held():
        if time.monotonic() > deadline:
            print(f"{state} is still in use after {STOP_SECONDS_MAX:.0f} s (pid {pid})", file=sys.stderr)
            return 1
        time.sleep(POLL_SECONDS)
    print(f"stopped what ran in {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
