"""Print what processes write to their log files, each line after the name of its process."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TextIO

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


class LogFollower:
    """Follows files that are appended to and now and then replaced by an empty one.

    Reading files, not pipes: a terminal that stands still holds up nobody.
    """

    def __init__(self, logs: Mapping[str, Path], out: TextIO = sys.stdout) -> None:
        """Prepare to follow the files in `logs`, by name, from their beginning."""
        self._logs = dict(logs)
        self._open: dict[str, BinaryIO] = {}
        self._partial: dict[str, bytes] = {}
        self._out = out
        width = max(map(len, self._logs), default=0)
        colour = out.isatty()
        self._prefixes = {
            name: f"\033[{COLOURS[index % len(COLOURS)]}m{name:<{width}} |\033[0m " if colour else f"{name:<{width}} | "
            for index, name in enumerate(self._logs)
        }

    def poll(self) -> None:
        """Print the whole lines that came since the last time."""
        for name, path in self._logs.items():
            for line in self._new_lines(name, path):
                self._out.write(f"{self._prefixes[name]}{line.decode(errors='replace')}\n")
        self._out.flush()

    def close(self) -> None:
        """Print what is left, whole lines or not, and close the files."""
        self.poll()
        for name, file in self._open.items():
            if self._partial.get(name):
                self._out.write(f"{self._prefixes[name]}{self._partial[name].decode(errors='replace')}\n")
            file.close()
        self._open.clear()

    def _new_lines(self, name: str, path: Path) -> list[bytes]:
        content = self._open[name].read() if name in self._open else b""
        if self._replaced(name, path):
            if name in self._open:
                self._open.pop(name).close()
            if path.exists():
                self._open[name] = path.open("rb")
                content += self._open[name].read()
        *lines, self._partial[name] = (self._partial.get(name, b"") + content).split(b"\n")
        return lines

    def _replaced(self, name: str, path: Path) -> bool:
        file = self._open.get(name)
        if file is None:
            return True
        try:
            there = path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(file.fileno())
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev) or there.st_size < file.tell()
