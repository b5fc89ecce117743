"""Run one call through the guarded table of this process."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from shared.interceptors.error_mapping import DETAILS_KEY
from shared.method_table import MethodTable
from shared.transport.backend import Answer, StreamFailed
from shared.transport.inner_context import InnerContext, Metadata


async def dispatch(table: MethodTable, method: str, message: bytes, metadata: Metadata, timeout_seconds: float, peer: str) -> Answer:
    """Serve one unary call and return its outcome; a failed call is an answer, never an exception."""
    handler: Any = table.handlers.get(method)
    if handler is None or handler.unary_unary is None:
        return Answer(grpc.StatusCode.UNIMPLEMENTED.value[0], f"there is no method {method}")
    context = InnerContext(metadata, timeout_seconds, peer)
    try:
        answer = await handler.unary_unary(message, context)
    except grpc.aio.AbortError:
        code = context.code() or grpc.StatusCode.UNKNOWN
        trailers = dict(context.trailing_metadata())
        status = trailers.pop(DETAILS_KEY, b"")
        return Answer(code.value[0], context.details(), trailers=trailers, status=status)
    return Answer(0, message=handler.response_serializer(answer), trailers=dict(context.trailing_metadata()))


class LocalBackend:
    """A backend whose methods live in this very process."""

    def __init__(self, table: MethodTable) -> None:
        self._table = table

    async def call(self, method: str, message: bytes, metadata: Metadata, timeout_seconds: float, *, waits: bool = False) -> Answer:
        """Serve the call here."""
        return await dispatch(self._table, method, message, metadata, timeout_seconds, "local")

    async def stream(self, method: str, message: bytes, metadata: Metadata, timeout_seconds: float) -> AsyncIterator[bytes]:
        """Refuse: no method of this process streams over its HTTP door."""
        raise StreamFailed(Answer(grpc.StatusCode.UNIMPLEMENTED.value[0], f"{method} is not streamed"))
        yield b""
