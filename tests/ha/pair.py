"""Two PostgreSQL servers, one the standby of the other, as two machines would hold them; the second takes over when the first is lost."""

import os
import shutil
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import psycopg

from shared.local.base_backup import take_base_backup
from shared.local.choices import DATABASE
from shared.local.ports import LOOPBACK, free_port
from shared.local.postgres import ADMIN, DURABLE_SETTINGS, Postgres
from tests.faults.proxy import Proxy
from tests.support import wait_until

PASSWORD = "pair-password"
SETTINGS = {**DURABLE_SETTINGS, "shared_buffers": "64MB", "max_wal_size": "256MB", "min_wal_size": "64MB"}
"""Durable: an acknowledged commit is on the disk of its machine, and here the machine goes with its disk."""

STREAMING = "SELECT state = 'streaming' AND sync_state = ANY(%s) FROM pg_stat_replication"
PROMOTE = "SELECT pg_promote(wait => true, wait_seconds => 60)"


class Machine:
    """One server, and the link over which the other machine follows it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.server = Postgres(folder / name, free_port(), password=PASSWORD, log=folder / f"{name}.log", settings=SETTINGS)
        self.link = Proxy(f"{LOOPBACK}:{self.server.port}")

    def ask(self, statement: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """Return what this server answers to its administrator."""
        with psycopg.connect(self.server.url(), autocommit=True, options="-c synchronous_commit=local") as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def vanish(self) -> None:
        """Kill every process of the server at once, as a machine dies that loses its power."""
        folder = str(self.server.data.resolve())
        for cwd in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if str(cwd.readlink()) == folder:
                    os.kill(int(cwd.parent.name), signal.SIGKILL)
        self.server.kill()


class Pair:
    """A primary and its standby. `synchronous` tells whether a COMMIT waits for the standby. Start it from the main thread."""

    def __init__(self, folder: Path, *, synchronous: bool) -> None:
        folder.mkdir()
        self.primary, self.standby = Machine(folder, "machine_a"), Machine(folder, "machine_b")
        self.synchronous = synchronous
        self._hosts = f"{LOOPBACK}:{self.primary.server.port},{LOOPBACK}:{self.standby.server.port}"
        self._open = ExitStack()

    @property
    def url(self) -> str:
        """Return the administrator's URL: both machines, whichever is the primary."""
        return f"postgresql://{ADMIN}:{PASSWORD}@{self._hosts}/{DATABASE}?target_session_attrs=read-write"

    def __enter__(self) -> Self:
        """Start both and wait until one follows the other."""
        for machine in (self.primary, self.standby):
            self._open.enter_context(machine.link)
            self._open.callback(machine.server.stop)
        self.primary.server.start()
        self.primary.ask(f"CREATE DATABASE {DATABASE}")
        self.follow()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop both."""
        self._open.close()

    def follow(self) -> None:
        """Make the standby anew from the primary's files, and from then on wait for it if it is to be synchronous."""
        primary, standby = self.primary, self.standby
        primary.link.heal()
        shutil.rmtree(standby.server.data, ignore_errors=True)
        source = f"postgresql://{ADMIN}:{PASSWORD}@{primary.link.address}/postgres?application_name={standby.name}"
        take_base_backup(standby.server.programs, standby.server.mode, source, standby.server.data, "--write-recovery-conf")
        standby.server.start()
        if self.synchronous:
            primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({standby.name})'")
            primary.ask("SELECT pg_reload_conf()")
        states = ["quorum", "sync"] if self.synchronous else ["async"]
        wait_until(lambda: primary.ask(STREAMING, (states,)) == [(True,)], "the standby to follow", seconds=30)

    def silence(self) -> None:
        """Let the primary's link go dead: the standby hears nothing any more, and nobody says so."""
        self.primary.link.hold_everything()

    def lose_primary(self) -> None:
        """Kill the primary's machine; from now on it is the one that follows, once it is there again."""
        self.primary.vanish()
        self.primary.link.refuse()
        self.primary, self.standby = self.standby, self.primary

    def promote(self) -> None:
        """Make the primary of what was the standby; return once it can write."""
        assert self.primary.ask(PROMOTE) == [(True,)]

    def lost_disk(self, folder: Path) -> Postgres:
        """Return a server for what the lost machine's disk holds, away from everybody else."""
        shutil.move(self.standby.server.data, folder)
        return Postgres(folder, free_port(), password=PASSWORD, log=folder.with_suffix(".log"), settings=SETTINGS)
