"""Receive the request, once it is known that its caller may make the call."""

from grpc_interceptor.server import AsyncServerInterceptor

from shared.arrival import Arrivals
from shared.call import Call, current_call
from shared.interceptors.types import Context, Handler, Serving
from shared.principal import Role


class ArrivalInterceptor(AsyncServerInterceptor):
    """Read the request of a call that came over gRPC. That of a call in an envelope, or of this process, is there already."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> Serving:
        """Go on with the request's bytes."""
        if isinstance(request_or_iterator, bytes):
            return method(request_or_iterator, context)
        return self._after_arrival(method, context, current_call())

    async def _after_arrival(self, method: Handler, context: Context, call: Call) -> object:
        return await method(await self._arrivals.receive(context, _caller(call), streaming=call.policy.streaming), context)


def _caller(call: Call) -> str | None:
    """Return in whose line a call stands: its principal's, its address's where the method is open to everybody, None for a peer."""
    if call.principal is None:
        return call.client_address
    return None if call.principal.role is Role.PEER else call.principal.subject
