"""The sending side of envelopes: calls that arrive together travel together.

While one envelope is in flight the next one gathers, so a lone call waits for nobody. They travel on a stream that stays open; a call that
may take long travels in an envelope of its own, by an RPC of its own. When a connection is lost the outcome is unknown: calls that the
contract calls idempotent are sent again with the same ids, the others answer UNAVAILABLE.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc
from charging.transport.v1 import envelope_pb2, envelope_pb2_grpc
from google.protobuf.message_factory import GetMessageClass

from shared.batching import NaturalBatcher
from shared.call import RESERVED_PREFIX
from shared.errors import ChargingError, Code
from shared.interceptors.error_mapping import DETAILS_KEY, status_of
from shared.policy import MethodPolicy, RateLimitClass, checked_policy, find_method
from shared.transport.backend import Answer, StreamFailed, TextMetadata
from shared.transport.exchange import EnvelopeLost, ExchangeLine

MAX_CALLS = 256
"""Most calls of one envelope: past this the gain is spent, and the first callers wait for the last."""

MAX_QUEUE = 4_096
"""Most calls that wait for an envelope; beyond it callers are told to come back."""

SHARED_MESSAGE_BYTES = 8_192
"""Larger messages travel alone, so that an envelope of 256 stays below the 4 MiB of a gRPC message."""

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.5
"""Pauses between sends of the same call: a restarted server is back within a second or two."""

GRACE_SECONDS = 0.25
"""An envelope's deadline beyond its calls': each call's own deadline answers first, by name."""

REFUSED_UNSEEN = frozenset(
    {
        Code.UNAVAILABLE,
        Code.NOT_FOUND,
        Code.UNAUTHENTICATED,
        Code.PERMISSION_DENIED,
        Code.DEADLINE_EXCEEDED,
        Code.RESOURCE_EXHAUSTED,
    }
)
"""Refusals that come before the idempotency key is looked up."""

RESENT_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})


@dataclass(slots=True)
class _Pending:
    method: str
    policy: MethodPolicy
    metadata: TextMetadata
    message: bytes
    deadline: float

    def put_into(self, calls: Any, now: float) -> None:
        """Add the call, as it travels at a time of the monotonic clock, to those of an envelope; made elsewhere it would be copied."""
        texts = [text for entry in self.metadata for text in entry]
        calls.add(method=self.method, metadata=texts, timeout_us=max(0, int((self.deadline - now) * 1_000_000)), message=self.message)


Deliver = Callable[[Sequence[_Pending], float, float], Awaitable[Sequence[envelope_pb2.InnerResult]]]
"""Sends the calls in one envelope at a time of the monotonic clock, with so many seconds to answer it, and returns the results."""


class EnvelopeBackend:
    """A backend behind one gRPC channel of another process."""

    def __init__(self, channel: grpc.aio.Channel, peer_token: Callable[[], str], *, name: str, max_in_flight: int = 2) -> None:
        """`peer_token` returns this process's own token; `name` names the backend in errors and metrics."""
        self._channel = channel
        self._stub = envelope_pb2_grpc.EnvelopeServiceStub(channel)
        self._line = ExchangeLine(channel, peer_token)
        self._peer_token = peer_token
        self._name = name
        self._policies: dict[str, MethodPolicy] = {}
        self._leaving = asyncio.Event()
        self._batcher: NaturalBatcher[_Pending, Answer] = NaturalBatcher(
            self._send_on_the_line, name=f"envelope.{name}", max_batch=MAX_CALLS, max_queue=MAX_QUEUE, max_in_flight=max_in_flight
        )

    async def call(self, method: str, message: bytes, metadata: TextMetadata, timeout_seconds: float, *, waits: bool = False) -> Answer:
        """Send one call, alone or with others, and return its outcome."""
        policy = self._policies.get(method)
        if policy is None:
            policy = self._policies[method] = checked_policy(find_method(method))
        pending = _Pending(method, policy, metadata, message, time.monotonic() + timeout_seconds)
        if waits:
            return await self._wait_for(pending)
        if not policy.coalesce or len(message) > SHARED_MESSAGE_BYTES:
            return (await self._send([pending], self._dispatch))[0]
        try:
            return await self._batcher.submit(pending)
        except ChargingError as error:
            return _failed(error)

    async def stream(self, method: str, message: bytes, metadata: TextMetadata, timeout_seconds: float) -> AsyncIterator[bytes]:
        """Call a method that streams, directly with the caller's own token, and yield its messages until it ends or this process leaves.

        Raises StreamFailed.
        """
        open_stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(method)
        sent = [entry for entry in metadata if not entry[0].startswith(RESERVED_PREFIX)]
        call = open_stream(message, metadata=sent, timeout=timeout_seconds)
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            while True:
                coming = asyncio.ensure_future(call.read())
                await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                content = coming.result()
                if not isinstance(content, bytes):  # the end
                    return
                yield content
        except grpc.aio.AioRpcError as error:
            trailers = dict(error.trailing_metadata() or ())
            status = trailers.get(DETAILS_KEY, b"")
            texts = {str(key): value for key, value in trailers.items() if isinstance(value, str)}
            answer = Answer(
                error.code().value[0], error.details() or "", trailers=texts, status=status if isinstance(status, bytes) else b""
            )
            raise StreamFailed(answer) from error
        finally:
            leaving.cancel()
            call.cancel()

    @property
    def waiting(self) -> int:
        """Return how many calls wait for an envelope."""
        return self._batcher.waiting

    def stop_waiting(self) -> None:
        """Answer calls that wait for an outcome with what is known now, and end streams: this process leaves."""
        self._leaving.set()

    async def close(self) -> None:
        """Refuse new calls and wait for those in flight."""
        await self._batcher.close()
        await self._line.close()

    async def _wait_for(self, pending: _Pending) -> Answer:
        """Send a call that waits for its outcome; when this process leaves meanwhile, send it again, with the same ids and not waiting."""
        waiting = asyncio.ensure_future(self._send([pending], self._dispatch))
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                (now,) = await self._send([replace(pending, message=_without_wait(pending))], self._dispatch, repeated=True)
                if now.code == 0 and not waiting.done():
                    return now
            return (await waiting)[0]
        finally:
            waiting.cancel()
            leaving.cancel()

    async def _send_on_the_line(self, calls: Sequence[_Pending]) -> list[Answer]:
        return await self._send(calls, self._exchange)

    async def _exchange(self, calls: Iterable[_Pending], now: float, seconds: float) -> Sequence[envelope_pb2.InnerResult]:
        """Send an envelope on the stream that stays open. Raises EnvelopeLost."""
        request = envelope_pb2.ExchangeEnvelopesRequest()
        for call in calls:
            call.put_into(request.calls, now)
        return await self._line.send(request, seconds)

    async def _dispatch(self, calls: Iterable[_Pending], now: float, seconds: float) -> Sequence[envelope_pb2.InnerResult]:
        """Send an envelope by an RPC of its own. Raises EnvelopeLost."""
        request = envelope_pb2.DispatchRequest()
        for call in calls:
            call.put_into(request.calls, now)
        metadata = (("authorization", f"Token {self._peer_token()}"),)
        try:
            response = await self._stub.Dispatch(request, timeout=seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise EnvelopeLost(error.code()) from error
        results: Sequence[envelope_pb2.InnerResult] = response.results
        return results

    async def _send(self, calls: Sequence[_Pending], deliver: Deliver, *, repeated: bool = False) -> list[Answer]:
        """Send the calls in one envelope, again and again while the outcome is unknown and repeating is safe.

        `repeated` says that the calls were sent before.
        """
        answers: dict[int, Answer] = {}
        left = list(range(len(calls)))
        pause = FIRST_PAUSE_SECONDS
        while left:
            now = time.monotonic()
            seconds = max(calls[index].deadline for index in left) - now
            if seconds <= 0:
                answers.update((index, _unknown(self._name, Code.DEADLINE_EXCEEDED, calls[index])) for index in left)
                break
            try:
                results = await deliver([calls[index] for index in left], now, seconds + GRACE_SECONDS)
            except EnvelopeLost as lost:
                left = self._after_failure(calls, left, lost.code, answers)
            else:
                left = self._after_answer(calls, left, results, repeated, answers)
            if left:
                repeated = True
                await asyncio.sleep(min(pause, LONGEST_PAUSE_SECONDS, max(0.0, seconds)))
                pause *= 2
        return [answers[index] for index in range(len(calls))]

    def _after_answer(
        self,
        calls: Sequence[_Pending],
        left: Sequence[int],
        results: Sequence[envelope_pb2.InnerResult],
        repeated: bool,
        answers: dict[int, Answer],
    ) -> list[int]:
        """Keep the outcomes, and return the calls to be sent again.

        A refusal from before execution says "nothing was done", and nobody knows that of a call that was sent before: its first try may
        have been carried out. Passing it on could tell a caller that a charge was refused which then takes effect.
        """
        again = []
        for index, result in zip(left, results, strict=True):
            doubtful = repeated and result.code in REFUSED_UNSEEN and calls[index].policy.rate_limit_class is not RateLimitClass.READ
            if not doubtful:
                answers[index] = _answer(result)
            elif result.code == Code.UNAVAILABLE:
                again.append(index)
            else:
                answers[index] = _unknown(self._name, Code.UNAVAILABLE, calls[index])
        return again

    def _after_failure(
        self, calls: Sequence[_Pending], left: Sequence[int], status: grpc.StatusCode, answers: dict[int, Answer]
    ) -> list[int]:
        """Answer the calls that must not be sent again, and return the others."""
        again = []
        for index in left:
            if status not in RESENT_CODES:
                code = Code.DEADLINE_EXCEEDED if status == grpc.StatusCode.DEADLINE_EXCEEDED else Code.UNAVAILABLE
                answers[index] = _unknown(self._name, code, calls[index])
            elif calls[index].policy.repeatable:
                again.append(index)
            else:
                answers[index] = _unknown(self._name, Code.UNAVAILABLE, calls[index])
        return again


def _without_wait(call: _Pending) -> bytes:
    request: Any = GetMessageClass(find_method(call.policy.name).input_type).FromString(call.message)
    request.wait_seconds = 0
    return bytes(request.SerializeToString())


def _answer(result: envelope_pb2.InnerResult) -> Answer:
    texts = iter(result.trailers)
    return Answer(result.code, result.details, result.message, dict(zip(texts, texts, strict=True)), result.status)


def _unknown(name: str, code: Code, call: _Pending) -> Answer:
    """Return the answer of a call that may or may not have been carried out; it names the key with which repeating is safe."""
    text = f"{name} did not answer; what happened is unknown, and repeating with the same idempotency key is safe"
    key = dict(call.metadata).get("idempotency-key")
    metadata = {"service": name} | ({"idempotency_key": key} if key else {})
    error = ChargingError(text, reason="OUTCOME_UNKNOWN", metadata=metadata, retry_after_seconds=1.0)
    error.code = code
    return _failed(error)


def _failed(error: ChargingError) -> Answer:
    status = status_of(error)
    return Answer(status.code, status.message, status=status.SerializeToString())
