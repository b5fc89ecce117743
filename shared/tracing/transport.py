"""Spans for calls that leave a process, and the header that lets the other one go on below them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from opentelemetry.trace import SpanKind, Status, StatusCode

from shared.tracing.interceptor import TRACEPARENT_KEY
from shared.tracing.tracing import Tracing, current_traceparent
from shared.transport.backend import Answer, Backend, TextMetadata


class TracedBackend:
    """A backend whose calls of traces that are kept get a span: from being handed over, through the wait for an envelope, to the answer."""

    def __init__(self, backend: Backend, tracing: Tracing, name: str) -> None:
        self._backend = backend
        self._tracing = tracing
        self._name = name

    async def call(self, method: str, message: bytes, metadata: TextMetadata, timeout_seconds: float, *, waits: bool = False) -> Answer:
        """Run one call and return its outcome."""
        with self._tracing.span(self._name, SpanKind.CLIENT, attributes={"rpc.method": method[1:]}) as span:
            if span is None:
                return await self._backend.call(method, message, metadata, timeout_seconds, waits=waits)
            sent = [*metadata, (TRACEPARENT_KEY, current_traceparent())]
            answer = await self._backend.call(method, message, sent, timeout_seconds, waits=waits)
            span.set_attribute("rpc.grpc.status_code", answer.code)
            if answer.code:
                span.set_status(Status(StatusCode.ERROR))
            return answer

    def stream(self, method: str, message: bytes, metadata: TextMetadata, timeout_seconds: float) -> AsyncIterator[bytes]:
        """Yield the messages of a stream; it travels with the caller's own token, and so begins a trace of its own."""
        return self._backend.stream(method, message, metadata, timeout_seconds)


class ClientTracing(grpc.aio.UnaryUnaryClientInterceptor):
    """Gives the calls of this process to its peers a span each, where a trace is kept. An envelope is part of none: its calls are."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def intercept_unary_unary(
        self, continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """Send the call on, and wait for its answer within the span."""
        method = client_call_details.method
        name = (method.decode() if isinstance(method, bytes) else method)[1:]
        with self._tracing.span(name, SpanKind.CLIENT) as span:
            if span is None:
                return await continuation(client_call_details, request)
            details = grpc.aio.ClientCallDetails(
                client_call_details.method,
                client_call_details.timeout,
                grpc.aio.Metadata(*(client_call_details.metadata or ()), (TRACEPARENT_KEY, current_traceparent())),
                client_call_details.credentials,
                client_call_details.wait_for_ready,
            )
            call = await continuation(details, request)
            code = await call.code()
            span.set_attribute("rpc.grpc.status_code", code.value[0])
            if code is not grpc.StatusCode.OK:
                span.set_status(Status(StatusCode.ERROR, code.name))
            return call
