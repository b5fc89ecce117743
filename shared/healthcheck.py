"""Ask a process for its health, from beside it: the health checks of the containers.

    python -m shared.healthcheck grpc://127.0.0.1:50051          grpc.health.v1: SERVING
    python -m shared.healthcheck http://127.0.0.1:8000/ready/    status 200
    python -m shared.healthcheck file:///tmp/heartbeat           touched lately, see shared/heartbeat.py

Exits 0 when it is well; else 1, with one line of reason on standard error.
"""

import http.client
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from shared.heartbeat import SILENCE_SECONDS_MAX

TIMEOUT_SECONDS = 3.0
"""More than a service takes to find its own database silent, and less than the time-out of the container's check."""


class Unwell(Exception):
    """The process is not healthy; the message says why."""


def check(url: str) -> None:
    """Return when what the URL names is healthy. Raises Unwell, and ValueError for a URL of another kind."""
    parts = urlsplit(url)
    match parts.scheme:
        case "grpc":
            _check_grpc(parts.netloc)
        case "http":
            _check_http(parts.netloc, parts.path or "/")
        case "file":
            _check_heartbeat(Path(parts.path))
        case _:
            raise ValueError(f"{url} is neither grpc://, http:// nor file://")


def _check_grpc(address: str) -> None:
    # Imported here: the other checks, which run every few seconds too, start ten times faster without it.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(  # type: ignore[attr-defined]  # missing from the published type stubs
                health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS
            )
        except grpc.RpcError as error:
            raise Unwell(f"{address}: {error.code().name}") from None
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise Unwell(f"{address}: {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}")


def _check_http(address: str, path: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unwell(f"{address}{path}: {error}") from None
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise Unwell(f"{address}{path}: {answer.status} {text}")


def _check_heartbeat(file: Path) -> None:
    try:
        silence = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        raise Unwell(f"{file}: no heartbeat yet") from None
    if silence > SILENCE_SECONDS_MAX:
        raise Unwell(f"{file}: silent for {silence:.0f} s")


def main() -> int:
    """Check the URL given on the command line."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        print("usage: python -m shared.healthcheck URL", file=sys.stderr)
        return 2
    try:
        check(sys.argv[1])
    except Unwell as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
