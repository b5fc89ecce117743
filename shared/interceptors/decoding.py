"""Read the request from the wire, within the chain.

Left to the gRPC library, bytes that are no message would be answered UNKNOWN with the parser's own text, before any guard.
"""

from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_interceptor.server import AsyncServerInterceptor

from shared.errors import InvalidArgument
from shared.interceptors.types import Context, Handler, Serving
from shared.policy import find_method


class DecodingInterceptor(AsyncServerInterceptor):
    """Hand on the message that the bytes are. Everything outside of this guard sees bytes, everything inside a message."""

    def __init__(self) -> None:
        self._types: dict[str, type[Message]] = {}

    def intercept(self, method: Handler, request_or_iterator: bytes, context: Context, method_name: str) -> Serving:
        """Serve the call if its bytes are a message of the method. Raises InvalidArgument (MALFORMED_MESSAGE)."""
        message_type = self._types.get(method_name)
        if message_type is None:
            message_type = self._types[method_name] = GetMessageClass(find_method(method_name).input_type)
        try:
            request = message_type.FromString(request_or_iterator)
        except (DecodeError, ValueError):  # ValueError: a text that is not UTF-8
            raise InvalidArgument("the request is not a message of this method", reason="MALFORMED_MESSAGE") from None
        return method(request, context)
