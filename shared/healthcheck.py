"""Ask a process for its health, from beside it: the health checks of the containers.

    python -m shared.healthcheck grpc://127.0.0.1:50051          grpc.health.v1: SERVING
    python -m shared.healthcheck grpcs://127.0.0.1:50051         the same, encrypted, with the process's own certificate as the client's
    python -m shared.healthcheck http://127.0.0.1:8000/ready/    status 200
    python -m shared.healthcheck https://127.0.0.1:8000/ready/   the same, encrypted
    python -m shared.healthcheck file:///tmp/heartbeat           touched lately, see shared/heartbeat.py

The encrypted ones read the settings that the process itself has: CHARGING_TLS_CERT_FILE, CHARGING_TLS_KEY_FILE and CHARGING_TLS_CA_FILE,
or CHARGING_HTTP_TLS_CERT_FILE. The names in a certificate may be any: it is the right one when it is the process's own.

Exits 0 when it is well; else 1, with one line of reason on standard error.
"""

import http.client
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from shared.heartbeat import SILENCE_SECONDS_MAX
from shared.tls.clients import open_http, pinned

if TYPE_CHECKING:
    import grpc

TIMEOUT_SECONDS = 3.0
"""More than a service takes to find its own database silent, and less than the time-out of the container's check."""


class Unwell(Exception):
    """The process is not healthy; the message says why."""


def check(url: str) -> None:
    """Return when what the URL names is healthy. Raises Unwell, and ValueError for a URL of another kind."""
    parts = urlsplit(url)
    match parts.scheme:
        case "grpc" | "grpcs":
            _check_grpc(parts.netloc, encrypted=parts.scheme == "grpcs")
        case "http" | "https":
            _check_http(parts)
        case "file":
            _check_heartbeat(Path(parts.path))
        case _:
            raise ValueError(f"{url} is neither grpc://, grpcs://, http://, https:// nor file://")


def _check_grpc(address: str, *, encrypted: bool) -> None:
    # Imported here: the other checks, which run every few seconds too, start ten times faster without it.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with _encrypted_channel(address) if encrypted else grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(  # type: ignore[attr-defined]  # missing from the published type stubs
                health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS
            )
        except grpc.RpcError as error:
            raise Unwell(f"{address}: {error.code().name}") from None
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise Unwell(f"{address}: {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}")


def _encrypted_channel(address: str) -> "grpc.Channel":
    import grpc

    from shared.tls.credentials import channel_credentials
    from shared.tls.files import TlsFiles

    cert_file, key_file, ca_file = (_file_of(f"CHARGING_TLS_{which}_FILE") for which in ("CERT", "KEY", "CA"))
    files = TlsFiles(cert_file, key_file, ca_file)
    try:
        names = files.server_names()
        credentials = channel_credentials(files)
    except ValueError as error:
        raise Unwell(str(error)) from None
    # Reached by an address of this machine, the process is known by the first name of its certificate.
    options = (("grpc.ssl_target_name_override", names[0]),) if names else ()
    return grpc.secure_channel(address, credentials, options=options)


def _check_http(url: SplitResult) -> None:
    try:
        context = pinned(_file_of("CHARGING_HTTP_TLS_CERT_FILE")) if url.scheme == "https" else None
        connection = open_http(url, timeout_seconds=TIMEOUT_SECONDS, context=context)
        try:
            connection.request("GET", url.path or "/")
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Unwell(f"{url.netloc}{url.path}: {error}") from None
    if answer.status != http.HTTPStatus.OK:
        raise Unwell(f"{url.netloc}{url.path}: {answer.status} {text}")


def _file_of(setting: str) -> Path:
    try:
        return Path(os.environ[setting])
    except KeyError:
        raise Unwell(f"{setting} is not set") from None


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
