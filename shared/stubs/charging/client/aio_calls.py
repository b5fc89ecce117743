"""The rules of a call, applied to channels of `grpc.aio`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc

from charging.client.logical_call import AUTHORIZATION, Clock, LogicalCall, Metadatum, authorization
from charging.client.method_facts import facts_of

AioToken = str | Callable[[], str | Awaitable[str]]
"""A token, or what returns the one in force, at once or as an awaitable; asked before every try."""


class AioUnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """Give every call its token, deadline and idempotency key, and repeat it where that is safe."""

    def __init__(self, token: AioToken | None, default_timeout_seconds: float, clock: Clock) -> None:
        self._token = token
        self._default_timeout_seconds = default_timeout_seconds
        self._clock = clock

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """Send a call until it is answered, cannot be repeated, or runs out of time. Raises AioRpcError."""
        call = LogicalCall(
            _method_name(client_call_details),
            request,
            timeout_seconds=client_call_details.timeout,
            metadata=client_call_details.metadata or (),
            default_timeout_seconds=self._default_timeout_seconds,
            clock=self._clock,
        )
        while True:
            metadata = call.metadata_of_try(await _in_force(self._token) if call.wants_token else None)
            attempt = await continuation(_with(client_call_details, call.remaining_seconds(), metadata), request)
            try:
                await attempt
            except grpc.aio.AioRpcError as error:
                pause = call.pause_after(error)
                if pause is None:
                    call.label(error)
                    raise
                await asyncio.sleep(pause)
            else:
                return attempt


class AioStreamCalls(grpc.aio.UnaryStreamClientInterceptor):
    """Give calls whose answers stream the token; such a call lives as long as the caller lets it."""

    def __init__(self, token: AioToken | None) -> None:
        self._token = token

    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """Send the call."""
        metadata = tuple(client_call_details.metadata or ())
        token = await _in_force(self._token) if facts_of(_method_name(client_call_details)).takes_token else None
        if token is not None and all(key != AUTHORIZATION for key, _ in metadata):
            metadata = (*metadata, authorization(token))
        return await continuation(_with(client_call_details, client_call_details.timeout, metadata), request)


def _method_name(details: grpc.aio.ClientCallDetails) -> str:
    """Return the method's name as text: grpc.aio hands over bytes, whatever its type stubs say."""
    method: str | bytes = details.method
    return method.decode() if isinstance(method, bytes) else method


async def _in_force(token: AioToken | None) -> str | None:
    current = token() if callable(token) else token
    return await current if isinstance(current, Awaitable) else current


def _with(details: grpc.aio.ClientCallDetails, timeout: float | None, metadata: Iterable[Metadatum]) -> grpc.aio.ClientCallDetails:
    """Return the details with another timeout and metadata."""
    return grpc.aio.ClientCallDetails(
        details.method, timeout, grpc.aio.Metadata.from_tuple(metadata), details.credentials, details.wait_for_ready
    )
