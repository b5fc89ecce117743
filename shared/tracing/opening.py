"""The switch: without a ratio there are no traces, and OpenTelemetry is not even imported."""

from __future__ import annotations  # what is named below only types is not to be imported

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.cell_numbers import schemas_of
from shared.cells import Cells
from shared.database import Database
from shared.settings import CommonSettings

if TYPE_CHECKING:
    import grpc

    from shared.tracing.tracing import Tracing


def open_tracing(settings: CommonSettings, service: str) -> Tracing | None:
    """Return what makes the spans of this process, None where traces are off.

    Where they go, how often and with what headers is for the standard variables of OpenTelemetry to say: OTEL_EXPORTER_OTLP_ENDPOINT (gRPC;
    http://localhost:4317 by default), OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_SCHEDULE_DELAY, OTEL_RESOURCE_ATTRIBUTES and so on. Raises
    SystemExit when traces are wanted and OpenTelemetry is not installed.
    """
    if not settings.trace_ratio:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError:
        raise SystemExit("setting CHARGING_TRACE_RATIO: traces need OpenTelemetry; install the extra: charging[tracing]") from None
    from shared.tracing.tracing import GivenIds, Tracing

    ids = GivenIds()
    # Whether a trace is kept is decided before a span of it is begun, by its id.
    provider = TracerProvider(
        sampler=ALWAYS_ON, resource=Resource.create({"service.name": service}), shutdown_on_exit=False, id_generator=ids
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider, ids, settings.trace_ratio)


def client_spans(tracing: Tracing | None) -> Sequence[grpc.aio.ClientInterceptor]:
    """Return what gives a channel's calls spans, nothing where traces are off."""
    if tracing is None:
        return ()
    from shared.tracing.transport import ClientTracing

    return (ClientTracing(tracing),)


def open_database(tracing: Tracing | None, url: str, schema: str, *, pool_size: int, application_name: str) -> Database:
    """Return a database, traced where traces are on."""
    if tracing is None:
        return Database(url, schema, pool_size=pool_size, application_name=application_name)
    from shared.tracing.database import TracedDatabase

    return TracedDatabase(tracing, url, schema, pool_size=pool_size, application_name=application_name)


CONNECTIONS_MIN = 2
"""Fewest connections of a cell's pool: one may wait for a lock while another reads."""


def open_cells(tracing: Tracing | None, url: str, service: str, cells: int, *, pool_size: int, application_name: str) -> Cells:
    """Return a service's cells, traced where traces are on; `pool_size` connections are shared out among them."""
    share = pool_size if cells == 1 else max(CONNECTIONS_MIN, -(-pool_size // cells))
    return Cells(
        [open_database(tracing, url, schema, pool_size=share, application_name=application_name) for schema in schemas_of(service, cells)]
    )
