"""The context of a call that did not arrive by a gRPC server of its own: inside an envelope, or within one process."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import grpc

Metadata = Sequence[tuple[str, str | bytes]]


class InnerContext:
    """What interceptors and handlers of unary calls use of a grpc.aio.ServicerContext.

    Whoever builds one vouches for its metadata, reserved entries included.
    """

    __slots__ = ("_code", "_details", "_metadata", "_peer", "_timeout_seconds", "_trailers")

    def __init__(self, metadata: Metadata, timeout_seconds: float, peer: str) -> None:
        self._metadata = metadata
        self._timeout_seconds = timeout_seconds
        self._peer = peer
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailers: Metadata = ()

    def invocation_metadata(self) -> Any:
        """Return the caller's metadata."""
        return self._metadata

    def time_remaining(self) -> float:
        """Return the time the call had when it was taken out of its envelope, in seconds."""
        return self._timeout_seconds

    def peer(self) -> str:
        """Return the gRPC peer that sent the envelope."""
        return self._peer

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return nothing: the certificate of the connection is the envelope's. A peer makes its own calls directly."""
        return {}

    def code(self) -> Any:
        """Return the status code, None while none was set."""
        return self._code

    def details(self) -> str:
        """Return the text of the status."""
        return self._details

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set the status code."""
        self._code = code

    def set_details(self, details: str) -> None:
        """Set the text of the status."""
        self._details = details

    def trailing_metadata(self) -> Any:
        """Return the metadata to send with the outcome."""
        return self._trailers

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        """Set the metadata to send with the outcome."""
        self._trailers = trailing_metadata

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        """End the call with a status."""
        self._code, self._details, self._trailers = code, details, trailing_metadata
        raise grpc.aio.AbortError(details)

    async def abort_with_status(self, status: Any) -> NoReturn:
        """End the call with a status object."""
        await self.abort(status.code, status.details, status.trailing_metadata)
