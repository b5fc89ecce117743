"""One whole system on this machine: engines, database, keys, demo data, and every process.

`make run` is one Stack in `.charging/`; tests start as many as they like in temporary folders. Start it from the main thread.

    with Stack(choose(folder, {}, keep_secrets(folder / "secrets", SECRET_NAMES), known_ports=False)) as stack:
        httpx.get(stack.environment["CHARGING_HTTP_URL"] + "/health/")
"""

import http.client
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg

from shared.database_setup import MIGRATIONS_ROOT, SERVICES, set_up_database
from shared.local.choices import DATABASE, METRICS_PORT_SETTING, Choices
from shared.local.engine import Engine
from shared.local.env_file import write_env_file
from shared.local.folder_lock import FolderLock
from shared.local.postgres import DURABLE_SETTINGS, Postgres
from shared.local.processes import PROGRAMS, Instance, Program, instances_of
from shared.local.supervision import ROOT, Supervision
from shared.local.valkey import BROKER_SETTINGS, CACHE_SETTINGS, Valkey
from shared.local.wal_archive import BACKUP_DIR_SETTING, archive_settings, refuse_origin
from shared.peer_keys import write_peer_keys
from shared.tls.clients import open_http, pinned

POLL_SECONDS = 0.05
READY_SECONDS_MAX = 120.0
"""Longer than the minute for which a closed connection of some client may hold a server's port."""


class StackFailed(Exception):
    """The stack could not be started; the message says which part and shows its last words."""


class Stack:
    """A stack made as its choices say. `environment` is what `.charging/env` holds, `engines` the embedded servers by name."""

    def __init__(
        self,
        choices: Choices,
        *,
        programs: Sequence[Program] = PROGRAMS,
        postgres_settings: Mapping[str, str] = DURABLE_SETTINGS,
        migrations_root: Path = MIGRATIONS_ROOT,
        inherited: Mapping[str, str] = os.environ,
    ) -> None:
        """Prepare a stack; nothing is started or written yet. `inherited` is the environment that the stack's own goes on top of."""
        self.choices = choices
        self.state = choices.state
        self.migrations_root = migrations_root
        self.environment = choices.environment()
        self.process_environment = {**inherited, **self.environment}
        self.engines: dict[str, Engine] = {}
        self._backups = Path(folder).resolve() if (folder := choices.settings.get(BACKUP_DIR_SETTING)) else None
        if not choices.database_url:
            archiving = archive_settings(self._backups) if self._backups else {}
            self.postgres = Postgres(
                self.state / "postgres",
                choices.ports["CHARGING_POSTGRES_PORT"],
                password=choices.secrets["POSTGRES_PASSWORD"],
                log=self.state / "logs" / "postgres.log",
                settings={**postgres_settings, **archiving},
            )
            self.engines["postgres"] = self.postgres
        if not choices.redis_url:
            self.engines["broker"] = self._valkey("broker", BROKER_SETTINGS)
            self.engines["cache"] = self._valkey("cache", CACHE_SETTINGS)
        self.instances: list[Instance] = instances_of(programs, choices.counts)
        self.supervision = Supervision(
            self.state,
            self.instances,
            self.process_environment,
            password=choices.secrets["SUPERVISOR_PASSWORD"],
            first_metrics_port=choices.ports[METRICS_PORT_SETTING],
        )
        self._lock: FolderLock | None = None

    def __enter__(self) -> Self:
        """Start everything and wait until it is ready."""
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop everything."""
        self.stop()

    def start(self, lock: FolderLock | None = None) -> None:
        """Start everything and return when it is ready; on a failure stop what was started and raise it.

        `lock` is the folder's lock when the caller holds it already; the stack gives it up in `stop`.
        """
        self._lock = lock or FolderLock(self.state).acquire()
        try:
            self.start_engines()
            self.prepare()
            self.supervision.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def start_engines(self) -> None:
        """Start the embedded engines that do not run. Raises EngineFailed, and NoBackup for the folder that the data came from."""
        (self.state / "logs").mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._backups and "postgres" in self.engines:
            refuse_origin(self.postgres.data, self._backups)
        for engine in self.engines.values():
            if not engine.running:
                engine.keep_open = (self._lock.fileno(),) if self._lock else ()
                engine.start()

    def prepare(self) -> None:
        """Set up the database, write keys and the env file, and in the development profile make the demo data."""
        if "postgres" in self.engines:
            with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
                if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        set_up_database(
            self.choices.admin_url, self.choices.database_passwords, cells=self.choices.cells, migrations_root=self.migrations_root
        )
        write_peer_keys(self.state / "keys")
        write_env_file(self.state / "env", self.environment)
        if self.choices.profile == "development":
            self._make_demo_data()

    def wait_ready(self, seconds: float = READY_SECONDS_MAX) -> None:
        """Return when every process runs and the gateway says it is ready. Raises StackFailed with the last words of what does not."""
        deadline = time.monotonic() + seconds
        while not (self._all_running() and self._gateway_ready()):
            if not self.supervision.running:
                raise StackFailed(f"supervisord ended: {self.last_words('supervisor')}")
            if time.monotonic() > deadline:
                stuck = [state.name for state in self.supervision.states() if state.state != "RUNNING"] or ["gateway"]
                raise StackFailed("; ".join(f"{name} is not ready: {self.last_words(name)}" for name in stuck))
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the processes in order, then the engines, and give the folder up."""
        self.supervision.stop()
        for engine in reversed(self.engines.values()):
            engine.stop()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def pids(self) -> dict[str, int]:
        """Return the pid of every process that lives, by name."""
        return {state.name: state.pid for state in self.supervision.states() if state.pid}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a process and return its pid; when it dies, supervisord starts a new one. Raises KeyError when none runs."""
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid

    def last_words(self, name: str) -> str:
        """Return the last lines of a process's log."""
        log = self.supervision.log_of(name)
        return " | ".join(log.read_text(errors="replace").strip().splitlines()[-4:]) if log.exists() else ""

    def _valkey(self, name: str, settings: Mapping[str, str]) -> Valkey:
        port = self.choices.ports[f"CHARGING_{name.upper()}_PORT"]
        password = self.choices.secrets["VALKEY_PASSWORD"]
        return Valkey(name, self.state / name, port, password=password, log=self.state / "logs" / f"{name}.log", settings=settings)

    def _make_demo_data(self) -> None:
        running = []
        for service in SERVICES:
            module = f"services.{service}.demo_data"
            if importlib.util.find_spec(module) is None:
                continue
            foreign = {f"CHARGING_{other.upper()}_DATABASE_URL" for other in SERVICES if other != service} | {"DATABASE_URL"}
            environment = {name: value for name, value in self.process_environment.items() if name not in foreign}
            command = [sys.executable, "-m", module]
            running.append((module, subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)))
        for module, process in running:
            words, _ = process.communicate()
            if process.returncode != 0:
                raise StackFailed(f"{module} failed: {words.decode(errors='replace').strip()[-1000:]}")

    def _all_running(self) -> bool:
        return self.supervision.running and all(state.state == "RUNNING" for state in self.supervision.states())

    def _gateway_ready(self) -> bool:
        cert_file = self.environment.get("CHARGING_HTTP_TLS_CERT_FILE")
        try:
            context = pinned(Path(cert_file)) if cert_file else None
            connection = open_http(urlsplit(self.environment["CHARGING_HTTP_URL"]), timeout_seconds=2, context=context)
            with closing(connection):
                connection.request("GET", "/ready/")
                return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
