"""The receiving side of a stream of envelopes: each is served beside the others, and its outcome sent when it is there."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

import grpc
from charging.transport.v1 import envelope_pb2
from google.protobuf.message import DecodeError

from shared.errors import InvalidArgument
from shared.interceptors.types import Context
from shared.transport.backend import Answer

CALLS_MAX = 1_024
"""Calls in one envelope, as the contract says."""

NUMBER_MAX = 2**53 - 1
"""Largest number of an envelope, as the contract says."""

ENVELOPES_MAX = 8
"""Served at a time on one stream. A door of ours has two under way; whoever sends more is not read for a while."""

Serving = Coroutine[Any, Any, list[Answer]]
Serve = Callable[[Sequence[envelope_pb2.InnerCall], str], Serving]
"""Returns what serves the calls of a peer's envelope: one result for each, in order. Raises at once for calls that it refuses."""


class ServedExchange:
    """One open stream. `run` it once."""

    def __init__(self, serve: Serve, context: Context) -> None:
        self._serve = serve
        # The type stubs know no streams that are read and written by calls.
        self._context: Any = context
        self._peer = context.peer()
        self._writing = asyncio.Lock()  # gRPC takes one message at a time
        self._places = asyncio.Semaphore(ENVELOPES_MAX)

    async def run(self) -> None:
        """Serve envelopes until the peer says that it sends no more. Raises InvalidArgument for what is no envelope."""
        try:
            async with asyncio.TaskGroup() as under_way:
                await self._read(under_way)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _read(self, under_way: asyncio.TaskGroup) -> None:
        while (content := await self._context.read()) is not grpc.aio.EOF:
            request = _envelope(content)
            serving = self._serve(request.calls, self._peer)
            await self._places.acquire()
            under_way.create_task(self._answer(request.number, serving))

    async def tell_leaving(self) -> None:
        """Ask the peer to send no more on this stream."""
        await self._write(envelope_pb2.ExchangeEnvelopesResponse(leaving=True))

    async def _answer(self, number: int, serving: Serving) -> None:
        try:
            response = envelope_pb2.ExchangeEnvelopesResponse(number=number)
            put_results(response.results, await serving)
            await self._write(response)
        finally:
            self._places.release()

    async def _write(self, response: envelope_pb2.ExchangeEnvelopesResponse) -> None:
        async with self._writing:
            with suppress(grpc.aio.BaseError):  # the peer is gone: the library ends the stream
                await self._context.write(response)


def put_results(results: Any, answers: Iterable[Answer]) -> None:
    """Add answers to the results of an envelope; made elsewhere they would be copied."""
    for answer in answers:
        trailers = [text for entry in answer.trailers.items() for text in entry]
        results.add(code=answer.code, details=answer.details, trailers=trailers, message=answer.message, status=answer.status)


def _envelope(content: bytes) -> envelope_pb2.ExchangeEnvelopesRequest:
    """Return the envelope that the bytes are.

    The rules of its fields are not gone through one by one: only peers get here, gRPC bounds the whole, and every inner call meets the
    guards of its own method.
    """
    try:
        request = envelope_pb2.ExchangeEnvelopesRequest.FromString(content)
    except (DecodeError, ValueError):
        raise InvalidArgument("the message is no envelope", reason="MALFORMED_MESSAGE") from None
    if not 0 <= request.number <= NUMBER_MAX:
        raise InvalidArgument.of_field("number", f"must be 0 to {NUMBER_MAX}")
    if not 1 <= len(request.calls) <= CALLS_MAX:
        raise InvalidArgument.of_field("calls", f"must be 1 to {CALLS_MAX} calls")
    return request
