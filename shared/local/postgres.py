"""A private PostgreSQL in a folder, durable by default, behind a password and on the loopback address only."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from shared.local.binaries import postgres_programs
from shared.local.confine import NOBODY
from shared.local.engine import POLL_SECONDS, Engine, EngineFailed, Mode, confined
from shared.local.ports import LOOPBACK

ADMIN = "postgres"

DURABLE_SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # Checkpoints make every page be written whole once more: few of them, spread out, with room for the log in between.
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_buffers": "16MB",
    # Pending rows live for milliseconds: a queue table is dead rows all over long before a fifth of it changed.
    "autovacuum_naptime": "5s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_cost_delay": "0.5ms",
    # Short statements only: compiling them costs more than it saves, and so does reading with helpers.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "log_lock_waits": "on",
    "log_line_prefix": "%m [%p] %u@%d ",
}
"""For a machine of a few cores that also runs everything else."""

FAST_TEST_SETTINGS: Mapping[str, str] = {
    **DURABLE_SETTINGS,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "min_wal_size": "64MB",
    "wal_buffers": "4MB",
}
"""For tests that do not look at durability: nothing survives a crash of the machine."""


def choose_mode() -> Mode:
    """Return how to run a server that refuses uid 0: as we are, in a user namespace, or as nobody where namespaces are forbidden."""
    if os.geteuid() != 0:
        return "plain"
    attempt = subprocess.run(confined("userns", signal.SIGKILL, "/bin/true"), capture_output=True, check=False)
    return "userns" if attempt.returncode == 0 else "nobody"


class Postgres(Engine):
    """One PostgreSQL server with an administrator called `postgres`."""

    name = "PostgreSQL"
    start_seconds_max = 60.0
    death_signal = signal.SIGINT
    # Fast shutdown, then immediate: the next start recovers from the log.
    stop_signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))

    def __init__(self, data: Path, port: int, *, password: str, log: Path, settings: Mapping[str, str] = DURABLE_SETTINGS) -> None:
        """Prepare a server; `password` is set when the folder is first made and must be the same afterwards."""
        super().__init__(data, port, log)
        self.password = password
        self.settings = dict(settings)
        self.programs = postgres_programs()
        self.mode = choose_mode()

    def url(self, database: str = "postgres") -> str:
        """Return the administrator's URL of a database."""
        return f"postgresql://{ADMIN}:{quote(self.password, safe='')}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Initialise the data folder once, and let an earlier server of this folder finish."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        elif (self.data / "postmaster.pid").exists():
            self._outlive_predecessor()

    def command(self) -> list[str | Path]:
        """Return the server's command line; the settings travel on it, so that postgresql.conf stays as initdb wrote it."""
        settings = {
            **self.settings,
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "cluster_name": "charging",
        }
        if "wal_compression" not in settings and self._built_with("--with-lz4"):
            settings["wal_compression"] = "lz4"
        return [self.programs / "postgres", "-D", self.data, *(f"-c{name}={value}" for name, value in settings.items())]

    def ready(self) -> bool:
        """Return whether postmaster.pid says ready and names our child: a stale file says ready too."""
        lines = self._pid_file_lines()
        return len(lines) > 7 and int(lines[0]) == self.pid and lines[7].strip() == "ready"  # noqa: PLR2004 - line 8 is the state

    def _initialise(self) -> None:
        # A folder without PG_VERSION is an initdb that was cut short: nothing of value is in it.
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        password_file = self.data.with_name(f"{self.data.name}.password")
        password_file.touch(mode=0o600)
        try:
            password_file.write_text(self.password)
            if self.mode == "nobody":
                for path in (self.data, password_file):
                    os.chown(path, NOBODY, NOBODY)
            options = ("-U", ADMIN, "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--no-locale", "--no-instructions")
            command = confined(self.mode, signal.SIGKILL, self.programs / "initdb", "-D", self.data, *options)
            outcome = subprocess.run(
                command, capture_output=True, text=True, cwd="/", env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, check=False
            )
        finally:
            password_file.unlink()
        if outcome.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            reason = " | ".join(outcome.stderr.strip().splitlines()[-2:])
            raise EngineFailed(
                f"PostgreSQL could not make its folder {self.data} ({reason}); a server of yours can be named in DATABASE_URL"
            )

    def _outlive_predecessor(self) -> None:
        """Wait for an earlier server of this folder and its orphans to end, then remove the pid file that a killed one left.

        PostgreSQL takes any living process with the number in that file for a server, even one that merely got the same number since. Every
        process of a server works in the data folder, which tells them apart.
        """
        if not Path("/proc/self/cwd").exists():
            return  # Not Linux: PostgreSQL judges by itself.
        deadline = time.monotonic() + self.start_seconds_max
        while self._folder_in_use():
            if time.monotonic() > deadline:
                raise EngineFailed(f"another PostgreSQL serves {self.data}: stop it first")
            time.sleep(POLL_SECONDS)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _folder_in_use(self) -> bool:
        folder = str(self.data.resolve())
        for cwd in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                if str(cwd.readlink()) == folder:
                    return True
        return False

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _built_with(self, option: str) -> bool:
        config = self.programs / "pg_config"
        if not config.exists():
            return False
        return option in subprocess.run([config, "--configure"], capture_output=True, text=True, check=False).stdout
