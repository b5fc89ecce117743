"""Refuse work that cannot be finished in the time its caller gives."""

from grpc_interceptor.server import AsyncServerInterceptor

from shared.call import current_call
from shared.errors import DeadlineExceeded
from shared.interceptors.types import Context, Handler, Serving

LEAST_SECONDS = 0.005
"""With less time left the answer would come too late, and the work would only slow the others down."""


class DeadlineInterceptor(AsyncServerInterceptor):
    """Answer DEADLINE_EXCEEDED before anything is done when too little time is left."""

    def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> Serving:
        """Serve the call if there is time for it."""
        if current_call().remaining_seconds() < LEAST_SECONDS:
            raise DeadlineExceeded("too little time was left to begin", retry_after_seconds=0.1)
        return method(request_or_iterator, context)
