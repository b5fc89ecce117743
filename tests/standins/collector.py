"""An OTLP collector that keeps what it is sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """A span as it arrived; ids in hexadecimal, `parent` empty for the first of a trace, times in nanoseconds since 1970."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    start_ns: int
    end_ns: int
    failed: bool
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]


@dataclass
class Collector(TraceServiceServicer):
    """Takes spans from any number of processes."""

    port: int = 0
    spans: list[SeenSpan] = field(default_factory=list)

    async def Export(  # noqa: N802 - the RPC's name
        self, request: pb.ExportTraceServiceRequest, context: Any
    ) -> pb.ExportTraceServiceResponse:
        """Keep the spans of a request."""
        for resource in request.resource_spans:
            service = next(item.value.string_value for item in resource.resource.attributes if item.key == "service.name")
            for scope in resource.scope_spans:
                self.spans += [_seen(service, span) for span in scope.spans]
        return pb.ExportTraceServiceResponse()

    def trace(self, trace: str) -> list[SeenSpan]:
        """Return the spans of one trace, in order of their beginning."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.start_ns)


def _seen(service: str, span: Any) -> SeenSpan:
    return SeenSpan(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == span.status.STATUS_CODE_ERROR,
        {item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in span.attributes},
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
    )


@asynccontextmanager
async def open_collector() -> AsyncIterator[Collector]:
    """Give a collector that listens on loopback."""
    server, collector = grpc.aio.server(), Collector()
    add_TraceServiceServicer_to_server(collector, server)
    collector.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(1)
