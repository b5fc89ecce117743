"""py-spy at every Python process of the system while a load runs: raw stacks and a flame picture each."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.flame import flame, frames_of
from shared.local.stack import Stack

RATE = 100
"""Samples a second: little enough not to slow down what is watched."""

END_SECONDS_MAX = 30.0


class ProfilerMissing(Exception):
    """py-spy is not installed, or may not look into the processes."""


@contextmanager
def profiled(stack: Stack, folder: Path | None, name: str) -> Iterator[None]:
    """Watch the processes meanwhile; without a folder do nothing. Raises ProfilerMissing."""
    if folder is None:
        yield
        return
    program = shutil.which("py-spy", path=f"{Path(sys.executable).parent}") or shutil.which("py-spy")
    if program is None:
        raise ProfilerMissing("py-spy is not installed: it is among the development packages")
    folder.mkdir(parents=True, exist_ok=True)
    watchers = {}
    for process, pid in stack.pids().items():
        output = folder / f"{name}.{process}.txt"
        command = [program, "record", "--pid", str(pid), "--format", "raw", "--output", str(output), "--rate", str(RATE), "--nonblocking"]
        watchers[output] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 - found above
    try:
        yield
    finally:
        # It writes what it has when it is interrupted.
        for watcher in watchers.values():
            watcher.send_signal(signal.SIGINT)
        words = {output: watcher.communicate(timeout=END_SECONDS_MAX)[1] for output, watcher in watchers.items()}
    for output, said in words.items():
        if not output.exists():
            raise ProfilerMissing(f"py-spy: {said.decode(errors='replace').strip()[-300:]}")
        root = frames_of(output.read_text().splitlines())
        output.with_suffix(".svg").write_text(flame(root, f"{output.stem}, {root.samples:,} samples"))
