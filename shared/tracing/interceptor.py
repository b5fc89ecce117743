"""A span for every call that is served, below the door's or, at the first door, as the first of its trace."""

from grpc_interceptor.server import AsyncServerInterceptor
from opentelemetry.trace import Span, SpanContext, SpanKind

from shared.call import Call, current_call
from shared.interceptors.types import Context, Handler
from shared.principal import Role
from shared.tracing.tracing import Attributes, Tracing, carried

TRACEPARENT_KEY = "traceparent"


class TracingInterceptor(AsyncServerInterceptor):
    """Stands right behind the guards that tell who calls: what strangers send opens no trace and joins none."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> object:
        """Serve the call, within a span if its trace is kept."""
        call = current_call()
        parent = _parent(call)
        name = method_name[1:]
        if parent is not None:
            with self._tracing.below(parent, name, SpanKind.SERVER, attributes=_attributes(call)) as span:
                return await self._served(span, method, request_or_iterator, context, call)
        if not self._tracing.keeps(call.call_id) or call.principal is None or call.principal.role is Role.PEER:
            return await method(request_or_iterator, context)
        caller = call.metadata.get(TRACEPARENT_KEY, "")
        with self._tracing.first(call.call_id, name, attributes=_attributes(call), caller=caller) as span:
            return await self._served(span, method, request_or_iterator, context, call)

    async def _served(self, span: Span, method: Handler, request: object, context: Context, call: Call) -> object:
        answer = await method(request, context)
        if call.replay:
            span.set_attribute("charging.replayed", True)
        return answer


def _parent(call: Call) -> SpanContext | None:
    """Return the span that sent the call on, where that was one of this system's own: a door, or a peer. Nobody else is believed."""
    header = call.metadata.get(TRACEPARENT_KEY, "")
    trusted = call.enveloped or (call.principal is not None and call.principal.role is Role.PEER)
    return carried(header) if header and trusted else None


def _attributes(call: Call) -> Attributes:
    service, _, method = call.method.lstrip("/").rpartition("/")
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method, "charging.request_id": call.request_id}
    return attributes if call.principal is None else attributes | {"charging.principal": call.principal.subject}
