"""The spans of one process. Imported only where traces are on."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
    use_span,
)

from shared.errors import ChargingError
from shared.tracing.ids import read_traceparent, root_span_id, sampled, trace_id_of, traceparent

SPANS_MAX = 64
"""Most charges of one batch that get a span of it in their own traces: the rest is more of the same."""

Attributes = Mapping[str, str | int | bool]


class GivenIds(RandomIdGenerator):
    """Random ids, except for the first span of a trace, whose ids are given. Spans begin on the thread of the event loop only."""

    def __init__(self) -> None:
        self._given = 0

    def give(self, trace_id: int) -> None:
        """Let the span that is begun next be the first of this trace."""
        self._given = trace_id

    def generate_trace_id(self) -> int:
        """Return the given id, or a random one."""
        return self._given or super().generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the id of the first span of the given trace, once, or a random one."""
        given, self._given = self._given, 0
        return root_span_id(given) if given else super().generate_span_id()


class Tracing:
    """Makes the spans of one process for `ratio`, from 0 to 1, of all traces.

    Example:
        with tracing.first(call_id, "POST /api/...", SpanKind.SERVER):
            with tracing.span("transaction"):
                ...
    """

    def __init__(self, provider: TracerProvider, ids: GivenIds, ratio: float) -> None:
        """Use `provider`, which keeps every span it is given; `ids` is its source of ids."""
        self._provider = provider
        self._tracer = provider.get_tracer("charging")
        self._ids = ids
        self._ratio = ratio

    def keeps(self, identifier: str) -> bool:
        """Tell whether the trace of a call or charge is kept."""
        return sampled(trace_id_of(identifier), self._ratio)

    @contextmanager
    def first(
        self, identifier: str, name: str, kind: SpanKind = SpanKind.SERVER, *, attributes: Attributes | None = None, caller: str = ""
    ) -> Iterator[Span]:
        """Begin the trace of a call that is kept, and end its first span with the block.

        `caller` is the caller's own `traceparent`, linked to: this is where another's trace ends and ours begins.
        """
        links = [Link(context)] if caller and (context := _remote(caller)).is_valid else []
        self._ids.give(trace_id_of(identifier))
        span = self._tracer.start_span(name, context=Context(), kind=kind, attributes=attributes, links=links)
        with _lasting(span):
            yield span

    @contextmanager
    def below(self, parent: SpanContext, name: str, kind: SpanKind, *, attributes: Attributes | None = None) -> Iterator[Span]:
        """Begin a span below one that may be another process's."""
        span = self._tracer.start_span(name, context=_below(parent), kind=kind, attributes=attributes)
        with _lasting(span):
            yield span

    @contextmanager
    def span(self, name: str, kind: SpanKind = SpanKind.INTERNAL, *, attributes: Attributes | None = None) -> Iterator[Span | None]:
        """Begin a span below the current one; where there is none, what happens is part of no trace that is kept."""
        if not get_current_span().is_recording():
            yield None
            return
        span = self._tracer.start_span(name, kind=kind, attributes=attributes)
        with _lasting(span):
            yield span

    def begin(self, name: str) -> Span | None:
        """Begin a span below the current one for whoever ends it; None where there is no current one."""
        return self._tracer.start_span(name) if get_current_span().is_recording() else None

    @contextmanager
    def batch(self, name: str, parents: Sequence[SpanContext], kind: SpanKind, *, attributes: Attributes | None = None) -> Iterator[None]:
        """Begin a span for what is done for several traces at once.

        It lies in the trace of the first, with all that happens inside, and links to the others; each of the others gets a span of the
        same name and time that links to it. Without parents nothing is traced.
        """
        span = self.open_batch(name, parents, kind, attributes=attributes)
        with span.within():
            yield
        span.end()

    def open_batch(self, name: str, parents: Sequence[SpanContext], kind: SpanKind, *, attributes: Attributes | None = None) -> "BatchSpan":
        """Begin the same span for whoever ends it: its parts need not follow each other at once."""
        if not parents:
            return BatchSpan([])
        first, *others = parents[:SPANS_MAX]
        links = [Link(other) for other in others]
        shared = self._tracer.start_span(name, context=_below(first), kind=kind, attributes=attributes, links=links)
        link = [Link(shared.get_span_context())]
        copies = [self._tracer.start_span(name, context=_below(other), kind=kind, attributes=attributes, links=link) for other in others]
        return BatchSpan([shared, *copies])

    def charges(self, charge_ids: Sequence[str]) -> list[SpanContext]:
        """Return where to hang spans of those of the charges whose traces are kept."""
        kept = [trace_id for trace_id in map(trace_id_of, charge_ids) if sampled(trace_id, self._ratio)]
        return [_context(trace_id, root_span_id(trace_id)) for trace_id in kept]

    async def flush(self) -> None:
        """Send what there is."""
        await asyncio.to_thread(self._provider.force_flush)

    async def close(self) -> None:
        """Send what is left."""
        await asyncio.to_thread(self._provider.shutdown)


class BatchSpan:
    """The spans of one batch: the first holds what happens inside, and all end together. None of them where no trace is kept."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans

    @contextmanager
    def within(self) -> Iterator[None]:
        """Let what happens in this block lie below the batch's span; an error that leaves the block ends the batch with its name."""
        try:
            span = self._spans[0] if self._spans else NonRecordingSpan(INVALID_SPAN_CONTEXT)
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield
        except BaseException as error:
            for span in self._spans:
                span.set_status(_failure(error))
            self.end()
            raise

    def end(self) -> None:
        """End the batch."""
        for span in self._spans:
            span.end()
        self._spans = ()


def current_context() -> SpanContext | None:
    """Return the current span's context, None outside of a trace that is kept."""
    span = get_current_span()
    return span.get_span_context() if span.is_recording() else None


def current_traceparent() -> str:
    """Return what carries the current span to another process, empty outside of a trace that is kept."""
    context = current_context()
    return "" if context is None else traceparent(context.trace_id, context.span_id)


def carried(header: str) -> SpanContext | None:
    """Return the span that a `traceparent` of our own carries; None for none, and for one that is not kept."""
    found = read_traceparent(header)
    return _context(*found[:2]) if found is not None and found[2] else None


def _remote(header: str) -> SpanContext:
    found = read_traceparent(header)
    return INVALID_SPAN_CONTEXT if found is None else _context(*found[:2])


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _below(parent: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(parent), Context())


@contextmanager
def _lasting(span: Span) -> Iterator[None]:
    """Make a span the current one and end it with the block; an error is its status, by name, never by its text."""
    try:
        with use_span(span, record_exception=False, set_status_on_exception=False):
            yield
    except Exception as error:
        span.set_status(_failure(error))
        raise
    finally:
        span.end()


def _failure(error: BaseException) -> Status:
    return Status(StatusCode.ERROR, error.reason if isinstance(error, ChargingError) else type(error).__name__)
