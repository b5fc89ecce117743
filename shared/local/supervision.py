"""supervisord in the foreground as our child: it starts the processes, restarts what dies, and stops all in order."""

import math
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport

from shared.local.engine import POLL_SECONDS, confined
from shared.local.ports import LOOPBACK, free_port
from shared.local.processes import Instance

ROOT = Path(__file__).resolve().parent.parent.parent
CONFINE = Path(__file__).with_name("confine.py")
SOCKET_PATH_MAX = 90
"""A socket's path has 108 bytes at most (unix(7)), and supervisord first makes it under a longer name."""

USER = "charging"
START_SECONDS_MAX = 15.0


class SupervisionFailed(Exception):
    """supervisord did not start, or does not answer."""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What supervisord knows of a process: `state` is its word, such as RUNNING or BACKOFF; `pid` is 0 when there is no process."""

    name: str
    state: str
    pid: int


class Supervision:
    """The supervisor of one stack, with its files in `folder`."""

    def __init__(
        self, folder: Path, instances: Sequence[Instance], environment: Mapping[str, str], *, password: str, first_metrics_port: int
    ) -> None:
        """Prepare a supervisor whose processes all get `environment`, but each only the database URLs that are its own."""
        self.folder = folder
        self.instances = tuple(instances)
        self.environment = dict(environment)
        self.first_metrics_port = first_metrics_port
        self._password = password
        self._supervisord: subprocess.Popen[bytes] | None = None
        socket = folder / "supervisor.sock"
        self._port = free_port() if len(os.fsencode(socket)) > SOCKET_PATH_MAX else 0
        self._address = f"http://{LOOPBACK}:{self._port}" if self._port else f"unix://{socket}"

    @property
    def running(self) -> bool:
        """Return whether supervisord is alive."""
        return self._supervisord is not None and self._supervisord.poll() is None

    def log_of(self, name: str) -> Path:
        """Return the log file of a process, or of supervisord itself under the name `supervisor`."""
        return self.folder / "logs" / f"{name}.log"

    def start(self) -> None:
        """Start supervisord, and through it every process, each with an empty log. Raises SupervisionFailed."""
        (self.folder / "logs").mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("supervisor", *(instance.name for instance in self.instances)):
            self.log_of(name).write_bytes(b"")
        # supervisord would tell of a socket that a killed one left behind.
        (self.folder / "supervisor.sock").unlink(missing_ok=True)
        config = self.folder / "supervisord.conf"
        config.unlink(missing_ok=True)
        config.touch(mode=0o600)
        config.write_text(self.config())
        with self.log_of("supervisor").open("ab") as log:
            self._supervisord = subprocess.Popen(
                # Killed with us, and its children with it: no drain, but nothing is left behind, and what was accepted is durable.
                confined("plain", signal.SIGKILL, sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", config),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self.environment,
                cwd=ROOT,
                # Ctrl-C in the terminal reaches the runner only, which then stops everything in order.
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.states()
            except SupervisionFailed:
                if not self.running or time.monotonic() > deadline:
                    raise SupervisionFailed(f"supervisord did not start: {self.log_of('supervisor').read_text().strip()[-500:]}") from None
                time.sleep(POLL_SECONDS)
            else:
                return

    def states(self) -> list[ProcessState]:
        """Return the state of every process. Raises SupervisionFailed."""
        return [ProcessState(str(row["name"]), str(row["statename"]), int(row["pid"])) for row in self._call("getAllProcessInfo")]

    def start_process(self, name: str) -> None:
        """Start a stopped process, without waiting for it."""
        self._call("startProcess", self._full_name(name), False)

    def stop_process(self, name: str) -> None:
        """Stop a process and keep it stopped; returns when it has ended."""
        self._call("stopProcess", self._full_name(name), True)

    def stop(self) -> None:
        """Stop every process in order, then supervisord."""
        if self._supervisord is None:
            return
        self._supervisord.send_signal(signal.SIGTERM)
        orders = {instance.program.stop_order for instance in self.instances}
        try:
            self._supervisord.wait(len(orders) * (self._stop_seconds() + 2) + 5)
        except subprocess.TimeoutExpired:
            self._supervisord.kill()
            self._supervisord.wait()
        self._supervisord = None

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(USER, self._password, self._address)
        proxy = xmlrpc.client.ServerProxy("http://supervisor", transport=cast("xmlrpc.client.Transport", transport))
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, xmlrpc.client.Error) as error:
            raise SupervisionFailed(f"supervisord does not do {method}{arguments}: {error}") from error
        finally:
            transport.close()

    def _full_name(self, name: str) -> str:
        order = next(instance.program.stop_order for instance in self.instances if instance.name == name)
        return f"stop-{order}:{name}"

    def _stop_seconds(self) -> int:
        return math.ceil(float(self.environment.get("CHARGING_DRAIN_SECONDS", "10"))) + 2

    def config(self) -> str:
        """Return what supervisord is told."""
        sections = [self._main_section(), self._control_section()]
        for order in sorted({instance.program.stop_order for instance in self.instances}):
            members = [instance.name for instance in self.instances if instance.program.stop_order == order]
            # supervisord stops groups one after the other, from the highest priority number down.
            sections.append(_section(f"group:stop-{order}", {"programs": ",".join(members), "priority": str(900 - order)}))
        sections += [self._program_section(index, instance) for index, instance in enumerate(self.instances)]
        return "\n".join(sections)

    def _main_section(self) -> str:
        settings = {
            "logfile": str(self.log_of("supervisor")),
            "pidfile": str(self.folder / "supervisord.pid"),
            "childlogdir": str(self.folder / "logs"),
            "umask": "077",
            "minprocs": "1",
            "loglevel": "warn",
        }
        if os.geteuid() == 0:
            settings["user"] = "root"  # says that this is meant; without it supervisord complains
        return _section("supervisord", settings)

    def _control_section(self) -> str:
        credentials = {"username": USER, "password": self._password}
        interface = "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        if self._port:
            return _section("inet_http_server", {"port": f"{LOOPBACK}:{self._port}", **credentials}) + interface
        return _section("unix_http_server", {"file": self._address.removeprefix("unix://"), "chmod": "0700", **credentials}) + interface

    def _program_section(self, index: int, instance: Instance) -> str:
        own = {f"CHARGING_{service.upper()}_DATABASE_URL" for service in instance.program.databases}
        foreign = sorted({name for name in self.environment if name.endswith("DATABASE_URL")} - own)
        given = {}
        if self.first_metrics_port:
            given["CHARGING_METRICS_PORT"] = str(self.first_metrics_port + index)
        if instance.program.peer:
            given["CHARGING_PEER_NAME"] = instance.program.peer
        # Through env(1), so that no secret is written here; parent 0 because supervisord's number is not known yet.
        command = ["/usr/bin/env", *(f"--unset={name}" for name in foreign), *(f"{name}={value}" for name, value in given.items())]
        command += [sys.executable, "-I", "-S", str(CONFINE), "plain", str(int(signal.SIGKILL)), "0"]
        command += [sys.executable, "-m", instance.program.module]
        settings = {
            "command": shlex.join(command),
            "directory": str(ROOT),
            "priority": str(900 - instance.program.stop_order),
            "redirect_stderr": "true",
            "stdout_logfile": str(self.log_of(instance.name)),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "1",
            "autorestart": "true",
            # Dead after less than a second: tried again after 1, 2, 3, ... seconds. Dead later: at once, however often.
            "startsecs": "1",
            "startretries": "100",
            "stopwaitsecs": str(self._stop_seconds()),
        }
        return _section(f"program:{instance.name}", settings)


def _section(name: str, settings: Mapping[str, str]) -> str:
    # A percent sign begins an expansion in supervisord's files.
    return f"[{name}]\n" + "".join(f"{key} = {value.replace('%', '%%')}\n" for key, value in settings.items())
