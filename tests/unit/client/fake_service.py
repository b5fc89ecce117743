"""A gRPC server on a free port that answers any method from a script, and remembers what it was sent."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status

from shared.errors import ChargingError
from shared.interceptors.error_mapping import status_of


class Hang:
    """The outcome of a service that does not answer while its caller waits."""


Outcome = Message | ChargingError | Hang


@dataclass(frozen=True)
class Received:
    """One try as it arrived: when, in seconds, and with how many seconds left."""

    method: str
    metadata: dict[str, str | bytes]
    at: float
    seconds_left: float | None


@dataclass
class FakeService(grpc.GenericRpcHandler):
    """Answers each try with the next outcome of `script`, the last one over and over."""

    script: list[Outcome] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    address: str = ""

    @property
    def keys(self) -> list[str | bytes | None]:
        """Return the idempotency key of every try."""
        return [try_.metadata.get("idempotency-key") for try_ in self.received]

    @property
    def tokens(self) -> list[str | bytes | None]:
        """Return the authorization of every try."""
        return [try_.metadata.get("authorization") for try_ in self.received]

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Return the handler of any method; one called Watch streams."""
        method = handler_call_details.method

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            seconds_left = context.time_remaining() if _has_deadline(context) else None
            self.received.append(Received(method, dict(context.invocation_metadata()), time.monotonic(), seconds_left))
            outcome = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if isinstance(outcome, ChargingError):
                context.abort_with_status(rpc_status.to_status(status_of(outcome)))
            if isinstance(outcome, Hang):
                gone = threading.Event()
                if context.add_callback(gone.set):
                    gone.wait(10)
                return b""
            assert isinstance(outcome, Message)
            return outcome.SerializeToString()

        def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            yield answer(request, context)

        if method.endswith("/Watch"):
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(answer)


def _has_deadline(context: grpc.ServicerContext) -> bool:
    """Return whether the caller set a deadline: gRPC shows a call without one as one of many years."""
    remaining = context.time_remaining()
    return remaining is not None and remaining < 3600


@contextmanager
def serving(service: FakeService, credentials: grpc.ServerCredentials | None = None) -> Iterator[FakeService]:
    """Serve on a free port of the loopback address while the block runs."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[service])
    port = server.add_secure_port("127.0.0.1:0", credentials or grpc.insecure_server_credentials())
    service.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield service
    finally:
        server.stop(None).wait()
