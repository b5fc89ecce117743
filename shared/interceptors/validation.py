"""Refuse requests that break the rules of their proto, before anything looks at them."""

from google.protobuf.message import Message
from grpc_interceptor.server import AsyncServerInterceptor

from shared.errors import InvalidArgument
from shared.interceptors.types import Context, Handler, Serving
from shared.validation import violations_of


class ValidationInterceptor(AsyncServerInterceptor):
    """Answer INVALID_ARGUMENT naming every bad field; nothing is changed."""

    def intercept(self, method: Handler, request_or_iterator: Message, context: Context, method_name: str) -> Serving:
        """Serve the call if its request keeps the rules."""
        violations = violations_of(request_or_iterator)
        if violations:
            first = violations[0]
            raise InvalidArgument(f"{first.field}: {first.message}", metadata={"field": first.field}, violations=violations)
        return method(request_or_iterator, context)
