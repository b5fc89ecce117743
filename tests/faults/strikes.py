"""Single blows: each returns once the fault is over, or once its victim's successor lives."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psutil

from shared.local.stack import Stack
from tests.support import wait_until


def kill(stack: Stack, name: str, number: signal.Signals = signal.SIGKILL) -> None:
    """End a process or an engine with a signal, and return when its successor lives."""
    if name in stack.engines:
        stack.engines[name].kill(number)
        wait_until(lambda: not stack.engines[name].running, f"{name} to end", seconds=60)
        stack.engines[name].start()
        return
    wait_until(lambda: name in stack.pids(), f"{name} to live", seconds=60)
    pid = stack.kill(name, number)
    wait_until(lambda: stack.pids().get(name, pid) != pid, f"a successor of {name}", seconds=60)


@contextmanager
def frozen(stack: Stack, *names: str) -> Iterator[None]:
    """Freeze processes or engines for a while: they hold what they held, say nothing, and then go on as if nothing had been."""
    stopped: list[int] = []
    try:
        for name in names:
            _stop(stack.engines[name].pid if name in stack.engines else stack.pids()[name], stopped)
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _stop(pid: int, stopped: list[int]) -> None:
    """Stop a process, and then its children, of which there are no new ones now: PostgreSQL works in them."""
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)
        for child in psutil.Process(pid).children():
            _stop(child.pid, stopped)


def freeze(stack: Stack, names: Iterable[str], seconds: float) -> None:
    """Freeze processes or engines for so long."""
    with frozen(stack, *names):
        last(seconds)


def last(seconds: float) -> None:
    """Let a fault last: the length of the fault, not a guess at how long something takes."""
    threading.Event().wait(seconds)
