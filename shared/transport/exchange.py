"""The sending side of a stream of envelopes, which is opened once and carries many: an RPC for each costs three times as much."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import grpc
from charging.transport.v1 import envelope_pb2, envelope_pb2_grpc

from shared.crash_points import crash_point

FRESH_SECONDS = 30.0
"""A stream takes new envelopes for this long; then the next one opens another. So replicas that are new get their share, and a stream
ends well within the minute that a server gives to connections that have grown too old."""

LIFE_SECONDS = 200.0
"""Longest life of a stream, its last envelopes included; a server ends it after 240 seconds."""

CLOSE_SECONDS_MAX = 1.0
"""How long a stream without envelopes may take to end."""


class EnvelopeLost(Exception):
    """An envelope was not answered: what became of its calls is unknown. `code` says why, as gRPC does."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__(code.name)
        self.code = code


Outcome = Sequence[envelope_pb2.InnerResult] | EnvelopeLost


class Exchange:
    """One open stream."""

    def __init__(self, call: Any) -> None:
        """`call` is the stream's gRPC call; its type is missing from the published stubs."""
        self._call = call
        self._fresh_until = time.monotonic() + FRESH_SECONDS
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._numbers = count(1)
        self._writing = asyncio.Lock()  # gRPC takes one message at a time
        self._retired = False
        self._reading = asyncio.create_task(self._read(), name="exchange")

    @property
    def usable(self) -> bool:
        """Tell whether a new envelope may be sent on this stream."""
        return not self._retired and time.monotonic() < self._fresh_until

    async def send(self, request: envelope_pb2.ExchangeEnvelopesRequest, seconds: float) -> Sequence[envelope_pb2.InnerResult]:
        """Send an envelope, which gets its number here, and return its results.

        Raises EnvelopeLost, also when there is no answer within `seconds`.
        """
        number = request.number = next(self._numbers)
        outcome = self._waiting[number] = asyncio.get_running_loop().create_future()
        crash_point("ExchangeEnvelopes.before_call")
        try:
            async with asyncio.timeout(seconds):
                await self._write(request)
                results: Outcome = await outcome
        except TimeoutError:
            raise EnvelopeLost(grpc.StatusCode.DEADLINE_EXCEEDED) from None
        finally:
            del self._waiting[number]
            if self._retired and not self._waiting:
                await self._half_close()
        crash_point("ExchangeEnvelopes.after_call")
        if isinstance(results, EnvelopeLost):
            raise results
        return results

    async def retire(self) -> None:
        """Send nothing new any more; the stream ends after its last outcome."""
        self._retired = True
        if not self._waiting:
            await self._half_close()

    async def close(self) -> None:
        """End the stream, once what it carries is answered."""
        await self.retire()
        await asyncio.wait((self._reading,), timeout=CLOSE_SECONDS_MAX)
        self._call.cancel()
        await asyncio.wait((self._reading,))

    async def _write(self, request: envelope_pb2.ExchangeEnvelopesRequest) -> None:
        try:
            async with self._writing:
                await self._call.write(request)
        except grpc.aio.AioRpcError as error:
            raise EnvelopeLost(error.code()) from error
        except asyncio.InvalidStateError as error:  # the stream had ended
            raise EnvelopeLost(grpc.StatusCode.UNAVAILABLE) from error

    async def _half_close(self) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._call.done_writing()

    async def _read(self) -> None:
        code = grpc.StatusCode.UNAVAILABLE
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                if response.leaving:
                    await self.retire()
                elif (outcome := self._waiting.get(response.number)) is not None and not outcome.done():
                    outcome.set_result(response.results)
        except grpc.aio.AioRpcError as error:
            code = error.code()
        finally:
            self._retired = True
            for outcome in self._waiting.values():
                if not outcome.done():
                    outcome.set_result(EnvelopeLost(code))


class ExchangeLine:
    """A stream of envelopes to one service that is always there: opened when it is first needed, and again when it has ended."""

    def __init__(self, channel: grpc.aio.Channel, peer_token: Callable[[], str]) -> None:
        """`peer_token` returns this process's own token."""
        self._open: Any = envelope_pb2_grpc.EnvelopeServiceStub(channel).ExchangeEnvelopes
        self._peer_token = peer_token
        self._exchange: Exchange | None = None

    async def send(self, request: envelope_pb2.ExchangeEnvelopesRequest, seconds: float) -> Sequence[envelope_pb2.InnerResult]:
        """Send an envelope, which gets its number here, and return its results.

        Raises EnvelopeLost, also when there is no answer within `seconds`.
        """
        exchange = self._exchange
        if exchange is None or not exchange.usable:
            old, exchange = exchange, self._begin()
            if old is not None:
                await old.retire()
        return await exchange.send(request, seconds)

    async def close(self) -> None:
        """End the stream; nothing is sent any more."""
        if self._exchange is not None:
            await self._exchange.close()

    def _begin(self) -> Exchange:
        metadata = (("authorization", f"Token {self._peer_token()}"),)
        exchange = self._exchange = Exchange(self._open(metadata=metadata, timeout=LIFE_SECONDS))
        return exchange
