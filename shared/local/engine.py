"""What the embedded engines have in common: a child process that starts, tells when it is ready, and goes when we go."""

import os
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal

CONFINE = Path(__file__).with_name("confine.py")
POLL_SECONDS = 0.02
"""How often a condition is looked at while starting and stopping; a warm start takes about twice this."""

Mode = Literal["plain", "userns", "nobody"]


class EngineFailed(Exception):
    """An engine did not start or stop; the message holds the reason it gave."""


def confined(mode: Mode, death_signal: signal.Signals, *command: str | Path) -> list[str]:
    """Return the command line that runs `command` in `mode` and sends it `death_signal` when this process ends."""
    return [sys.executable, "-I", "-S", str(CONFINE), mode, str(int(death_signal)), str(os.getpid()), *map(str, command)]


class Engine(ABC):
    """One embedded server process. Start it from the main thread: its life is tied to the thread that starts it."""

    name: str
    start_seconds_max: float
    death_signal: signal.Signals
    stop_signals: tuple[tuple[signal.Signals, float], ...]
    """How to stop: signals in order, each with the seconds it is given."""

    def __init__(self, data: Path, port: int, log: Path) -> None:
        """Prepare an engine that keeps its files in `data`, listens on `port` and writes to `log`."""
        self.keep_open: tuple[int, ...] = ()
        """File descriptors the server inherits: the lock of its folder, which is then held until the server has ended too."""
        self.data = data
        self.port = port
        self.log = log
        self.mode: Mode = "plain"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder ready for the server."""

    @abstractmethod
    def command(self) -> list[str | Path]:
        """Return the server's command line."""

    @abstractmethod
    def ready(self) -> bool:
        """Return whether our process, and no leftover of an earlier one, answers."""

    @property
    def pid(self) -> int:
        """Return the server's process id. Raises EngineFailed when it is not running."""
        if self._process is None:
            raise EngineFailed(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Return whether the server's process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return once it is ready. Raises EngineFailed, with the end of the log."""
        if threading.current_thread() is not threading.main_thread():
            raise EngineFailed(f"{self.name} must be started from the main thread: it dies with the thread that started it")
        self.prepare()
        log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                confined(self.mode, self.death_signal, *self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                pass_fds=self.keep_open,
            )
        deadline = time.monotonic() + self.start_seconds_max
        while not self.ready():
            if not self.running:
                raise EngineFailed(f"{self.name} ended at once: {self._complaint(log_start)}")
            if time.monotonic() > deadline:
                self.stop()
                raise EngineFailed(f"{self.name} was not ready within {self.start_seconds_max:.0f} s: {self._complaint(log_start)}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server, gently first. Stopping a stopped server changes nothing."""
        if self._process is None:
            return
        for number, seconds in (*self.stop_signals, (signal.SIGKILL, 10.0)):
            if self._process.poll() is None:
                # A frozen process cannot act on a signal.
                self._process.send_signal(signal.SIGCONT)
                self._process.send_signal(number)
                try:
                    self._process.wait(seconds)
                except subprocess.TimeoutExpired:
                    continue
            self._process = None
            return

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the server; after SIGKILL, wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    def _complaint(self, log_start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or f"no word in {self.log}"
