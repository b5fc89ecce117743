"""The rules of a call, applied to channels of `grpc`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import grpc

from charging.client.logical_call import AUTHORIZATION, Clock, LogicalCall, Metadatum, authorization
from charging.client.method_facts import facts_of

Token = str | Callable[[], str]
"""A token, or what returns the one in force; asked before every try, from the thread that calls."""


@dataclass(frozen=True)
class _CallDetails(grpc.ClientCallDetails):
    """How one try is sent."""

    method: str
    timeout: float | None
    metadata: tuple[Metadatum, ...]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None

    @classmethod
    def of(cls, details: grpc.ClientCallDetails) -> "_CallDetails":
        """Return a copy whose fields can be replaced."""
        metadata = tuple(details.metadata or ())
        return cls(details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression)


class SyncCalls(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Give every call its token, deadline and idempotency key, and repeat it where that is safe.

    A call made by `stub.Method.future()` is sent once: repeating it would need the caller's thread, which such a call must not hold.
    """

    def __init__(self, token: Token | None, default_timeout_seconds: float, clock: Clock) -> None:
        self._token = token
        self._default_timeout_seconds = default_timeout_seconds
        self._clock = clock

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any) -> Any:
        """Send a call until it is answered, cannot be repeated, or runs out of time."""
        details = _CallDetails.of(client_call_details)
        call = LogicalCall(
            details.method,
            request,
            timeout_seconds=details.timeout,
            metadata=details.metadata,
            default_timeout_seconds=self._default_timeout_seconds,
            clock=self._clock,
        )
        while True:
            metadata = call.metadata_of_try(self._token_in_force() if call.wants_token else None)
            outcome = continuation(replace(details, timeout=call.remaining_seconds(), metadata=metadata), request)
            if not isinstance(outcome, grpc.RpcError):
                return outcome
            # The call of a future is an error and an iterator at once while it is still under way: looking at its code would block.
            pause = None if isinstance(outcome, Iterator) else call.pause_after(outcome)
            if pause is None:
                call.label(outcome)
                return outcome
            time.sleep(pause)

    def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any) -> Any:
        """Send a call whose answers stream: it gets the token, and lives as long as the caller lets it."""
        details = _CallDetails.of(client_call_details)
        token = self._token_in_force() if facts_of(details.method).takes_token else None
        if token is not None and all(key != AUTHORIZATION for key, _ in details.metadata):
            details = replace(details, metadata=(*details.metadata, authorization(token)))
        return continuation(details, request)

    def _token_in_force(self) -> str | None:
        return self._token() if callable(self._token) else self._token
