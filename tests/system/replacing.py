"""Rolling restarts: a process ends by SIGTERM, and its successor serves."""

import signal
import time

from shared.local.stack import Stack
from tests.support import wait_until

SERVES = ("serving", "working")
"""What servers and workers log once they are ready."""


def replace(stack: Stack, name: str) -> float:
    """End a process by SIGTERM, and return how many seconds later its successor serves."""
    log = stack.supervision.log_of(name)
    seen, began = log.stat().st_size, time.monotonic()
    pid = stack.kill(name, signal.SIGTERM)
    wait_until(lambda: stack.pids().get(name, pid) != pid, f"a successor of {name}", seconds=30)
    wait_until(lambda: any(word in log.read_text()[seen:] for word in SERVES), f"{name} to serve", seconds=30)
    return time.monotonic() - began
