"""Two Valkey servers, one the replica of the other, and a sentinel that promotes it when the primary is gone."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from shared.local.engine import Engine
from shared.local.ports import LOOPBACK, free_port
from shared.local.valkey import BROKER_SETTINGS, Valkey
from tests.support import wait_until

PASSWORD = "redis-pair-password"
SERVICE = "charging"
GONE_MS = 500
"""After this long without an answer the sentinel takes the primary for gone."""


class Sentinel(Valkey):
    """One sentinel that watches a primary and decides alone."""

    def watch(self, primary: Valkey) -> None:
        """Say whom to watch; to be called before the start."""
        self._watched = primary

    def prepare(self) -> None:
        """Write the configuration; the sentinel keeps what it learns in the same file."""
        self.data.mkdir(parents=True, mode=0o700)
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f'dir "{self.data}"',
            f"requirepass {self.password}",
            f"sentinel monitor {SERVICE} {LOOPBACK} {self._watched.port} 1",
            f"sentinel auth-pass {SERVICE} {self._watched.password}",
            f"sentinel down-after-milliseconds {SERVICE} {GONE_MS}",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        (self.data / "valkey.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> list[str | Path]:
        """Return the command line of the same program as a sentinel."""
        return [*super().command(), "--sentinel"]


class RedisPair:
    """`url` names the sentinel; `servers` are the two, the first primary first."""

    def __init__(self, servers: list[Valkey], sentinel: Sentinel) -> None:
        self.servers = servers
        self.sentinel = sentinel
        self.url = f"redis+sentinel://:{PASSWORD}@{LOOPBACK}:{sentinel.port}/0?service={SERVICE}&sentinel_password={PASSWORD}"

    def primary_port(self) -> int:
        """Return the port that the sentinel says is the primary's."""
        with redis.Redis(port=self.sentinel.port, password=PASSWORD) as client:
            return int(client.sentinel_get_master_addr_by_name(SERVICE)[1])

    def lose_primary(self) -> None:
        """Kill the primary, and return when the other one is named as primary."""
        lost = next(server for server in self.servers if server.port == self.primary_port())
        lost.kill()
        wait_until(lambda: self.primary_port() != lost.port, "a new Redis primary", seconds=30)

    def come_back(self) -> None:
        """Start the lost server again, with nothing, and return when it follows."""
        for server in self.servers:
            if not server.running:
                primary = self.primary_port()
                server.forget()
                server.settings["replicaof"] = f"{LOOPBACK} {primary}"
                server.start()
                wait_until(lambda port=primary: _followers(port) == 1, "the lost Redis to follow", seconds=30)  # type: ignore[misc]
                wait_until(lambda: _good_replicas(self.sentinel.port) == 1, "the sentinel to see it follow", seconds=30)


def _followers(port: int) -> int:
    with redis.Redis(port=port, password=PASSWORD) as client:
        info = client.info("replication")
        return sum(1 for name, each in info.items() if name.startswith("slave") and isinstance(each, dict) and each["state"] == "online")


@contextmanager
def redis_pair(folder: Path) -> Iterator[RedisPair]:
    """Run the three in a new folder. From the main thread."""
    folder.mkdir()
    with ExitStack() as running:

        def start(engine: Engine) -> None:
            running.callback(engine.stop)
            engine.start()

        settings = {**BROKER_SETTINGS, "masterauth": PASSWORD, "repl-diskless-sync-delay": "0"}
        ports = [free_port(), free_port()]
        servers = [
            Valkey(f"r{port}", folder / str(port), port, password=PASSWORD, log=folder / f"{port}.log", settings=settings) for port in ports
        ]
        servers[1].settings["replicaof"] = f"{LOOPBACK} {ports[0]}"
        sentinel = Sentinel("sentinel", folder / "sentinel", free_port(), password=PASSWORD, log=folder / "sentinel.log", settings={})
        sentinel.watch(servers[0])
        for engine in (*servers, sentinel):
            start(engine)
        wait_until(lambda: _followers(ports[0]) == 1, "the replica to follow", seconds=30)
        wait_until(lambda: _good_replicas(sentinel.port) == 1, "the sentinel to know the replica", seconds=30)
        yield RedisPair(servers, sentinel)
    shutil.rmtree(folder, ignore_errors=True)


def _good_replicas(port: int) -> int:
    with redis.Redis(port=port, password=PASSWORD) as client:
        good = [each for each in client.sentinel_slaves(SERVICE) if not each["is_disconnected"] and not each["is_sdown"]]
        return len([each for each in good if each["master-link-status"] == "ok"])
