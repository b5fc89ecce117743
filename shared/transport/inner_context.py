"""The context of a call that did not arrive by a gRPC server of its own: inside an envelope, or within one process."""

from collections.abc import Sequence
from typing import Any, NoReturn

import grpc

Metadata = Sequence[tuple[str, str | bytes]]


class InnerContext(grpc.aio.ServicerContext[Any, Any]):
    """What interceptors and handlers need of a grpc.aio.ServicerContext; unary calls only.

    Whoever builds one vouches for its metadata, reserved entries included.
    """

    def __init__(self, metadata: Metadata, timeout_seconds: float, peer: str) -> None:
        self._metadata = metadata
        self._timeout_seconds = timeout_seconds
        self._peer = peer
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailers: Metadata = ()

    def invocation_metadata(self) -> Any:  # noqa: ANN401 - grpc's own type is a private tuple
        """Return the caller's metadata."""
        return self._metadata

    def time_remaining(self) -> float:
        """Return the time the call had when it was taken out of its envelope, in seconds."""
        return self._timeout_seconds

    def peer(self) -> str:
        """Return the gRPC peer that sent the envelope."""
        return self._peer

    def code(self) -> Any:  # noqa: ANN401 - as above
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

    def trailing_metadata(self) -> Any:  # noqa: ANN401 - as above
        """Return the metadata to send with the outcome."""
        return self._trailers

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        """Set the metadata to send with the outcome."""
        self._trailers = trailing_metadata

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        """End the call with a status."""
        self._code, self._details, self._trailers = code, details, trailing_metadata
        raise grpc.aio.AbortError(details)

    async def read(self) -> NoReturn:
        """Refuse: inner calls are unary."""
        raise grpc.aio.UsageError("an inner call has no stream")

    async def write(self, message: object) -> NoReturn:
        """Refuse: inner calls are unary."""
        raise grpc.aio.UsageError("an inner call has no stream")

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        """Ignore: an inner call has no headers of its own."""

    def set_compression(self, compression: object) -> None:
        """Ignore: the envelope decides."""

    def disable_next_message_compression(self) -> None:
        """Ignore: the envelope decides."""

    def peer_identities(self) -> None:
        """Return nothing: callers are known by their token."""
        return

    def peer_identity_key(self) -> None:
        """Return nothing: callers are known by their token."""
        return

    def auth_context(self) -> dict[str, Sequence[bytes]]:
        """Return nothing: callers are known by their token."""
        return {}

    def cancelled(self) -> bool:
        """Return False: an inner call ends with its own outcome."""
        return False

    def done(self) -> bool:
        """Tell whether a status was set."""
        return self._code is not None

    def add_done_callback(self, callback: object) -> None:
        """Ignore: nobody waits on an inner call but its envelope."""
