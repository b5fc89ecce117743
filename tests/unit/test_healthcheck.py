"""Asking a process for its health."""

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from shared.healthcheck import Unwell, check
from shared.heartbeat import SILENCE_SECONDS_MAX, beat, keep_beating
from shared.local.ports import free_port
from tests.support import wait_until


@contextmanager
def grpc_server() -> Iterator[tuple[int, HealthServicer]]:
    """Serve grpc.health.v1 and give the port and the servicer."""
    health = HealthServicer()
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, health
    finally:
        server.stop(None).wait()


@contextmanager
def http_server(status: int) -> Iterator[int]:
    """Answer every request with a status and give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"database: false")

        def log_message(self, *_arguments: object) -> None:
            """Keep the test's output clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_grpc_server_is_well_only_while_it_says_so() -> None:
    """The check follows the service's own word."""
    with grpc_server() as (port, health):
        check(f"grpc://127.0.0.1:{port}")

        health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        with pytest.raises(Unwell, match="NOT_SERVING"):
            check(f"grpc://127.0.0.1:{port}")


def test_an_http_server_is_well_with_200_only() -> None:
    """The reason carries the answer."""
    with http_server(200) as port:
        check(f"http://127.0.0.1:{port}/ready/")

    with http_server(503) as port, pytest.raises(Unwell, match="503 database: false"):
        check(f"http://127.0.0.1:{port}/ready/")


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_nobody_there_is_unwell(scheme: str) -> None:
    """A refused connection is a reason, not a traceback."""
    with pytest.raises(Unwell):
        check(f"{scheme}://127.0.0.1:{free_port()}")


def test_a_heartbeat_grows_stale(tmp_path: Path) -> None:
    """A file that nobody touches any more means a process that is stuck."""
    file = tmp_path / "heartbeat"
    with pytest.raises(Unwell, match="no heartbeat"):
        check(f"file://{file}")

    beat(file)
    check(f"file://{file}")

    long_ago = time.time() - SILENCE_SECONDS_MAX - 1
    os.utime(file, (long_ago, long_ago))
    with pytest.raises(Unwell, match=r"silent for 3\d s"):
        check(f"file://{file}")


async def test_an_event_loop_beats(tmp_path: Path) -> None:
    """The first beat comes at once."""
    file = tmp_path / "heartbeat"
    beating = asyncio.create_task(keep_beating(file))
    try:
        await asyncio.to_thread(wait_until, file.exists, "a heartbeat")
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


def test_an_unknown_kind_of_url_is_a_mistake() -> None:
    """A mistyped check fails loudly."""
    with pytest.raises(ValueError, match="ftp"):
        check("ftp://127.0.0.1")
