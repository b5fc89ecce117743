"""A private Valkey (or Redis) in a folder, behind a password and on the loopback address only."""

import shutil
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from shared.local.binaries import valkey_program
from shared.local.engine import Engine
from shared.local.ports import LOOPBACK

BROKER_SETTINGS: Mapping[str, str] = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
"""For messages: kept over a restart but for the last second, and never dropped for room."""

CACHE_SETTINGS: Mapping[str, str] = {"appendonly": "no", "maxmemory": "256mb", "maxmemory-policy": "volatile-lru"}
"""For claims, limits and look-ups: bounded, what was used least recently goes first, empty after a restart."""


class Valkey(Engine):
    """One Valkey server."""

    start_seconds_max = 20.0
    death_signal = signal.SIGTERM
    stop_signals = ((signal.SIGTERM, 20.0),)

    def __init__(self, name: str, data: Path, port: int, *, password: str, log: Path, settings: Mapping[str, str]) -> None:
        """Prepare a server, called `name` in messages, with settings on top of the common ones."""
        super().__init__(data, port, log)
        self.name = f"Valkey ({name})"
        self.password = password
        self.settings = dict(settings)
        self.program = valkey_program()

    @property
    def url(self) -> str:
        """Return the URL of database 0."""
        return f"redis://:{quote(self.password, safe='')}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration: in a file, because a command line would show the password to everybody."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": f'"{self.data}"',
            "save": '""',
            "requirepass": self.password,
            **self.settings,
        }
        config = self.data / "valkey.conf"
        config.unlink(missing_ok=True)
        config.touch(mode=0o600)
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))

    def command(self) -> list[str | Path]:
        """Return the server's command line."""
        return [self.program, self.data / "valkey.conf"]

    def ready(self) -> bool:
        """Return whether the server answers PING to our password: while it reads its file it answers LOADING."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (more := connection.recv(256)):  # noqa: PLR2004 - one line for each command
                    answer += more
        except OSError:
            return False
        return answer.endswith(b"+PONG\r\n")

    def forget(self) -> None:
        """Remove everything a stopped server kept, for a restart with nothing."""
        shutil.rmtree(self.data, ignore_errors=True)
