"""The sending side of envelopes: calls that arrive together travel together.

While one envelope is in flight the next one gathers, so a lone call waits for nobody. A call that may take long travels in an envelope of
its own. When a connection is lost the outcome is unknown: calls that the contract calls idempotent are sent again with the same ids,
the others answer UNAVAILABLE.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from charging.transport.v1 import envelope_pb2, envelope_pb2_grpc
from google.protobuf.message_factory import GetMessageClass

from shared.batching import NaturalBatcher
from shared.errors import ChargingError, Code
from shared.interceptors.error_mapping import DETAILS_KEY, status_of
from shared.policy import MethodPolicy, checked_policy, find_method
from shared.transport.backend import Answer
from shared.transport.inner_context import Metadata

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

RESENT_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})


@dataclass(slots=True)
class _Pending:
    method: str
    policy: MethodPolicy
    metadata: Metadata
    message: bytes
    deadline: float

    def sealed(self) -> envelope_pb2.InnerCall:
        left = max(0, int((self.deadline - time.monotonic()) * 1_000_000))
        entries = [
            envelope_pb2.Metadatum(key=key, value=value if isinstance(value, bytes) else value.encode("latin-1"))
            for key, value in self.metadata
        ]
        return envelope_pb2.InnerCall(method=self.method, metadata=entries, timeout_us=left, message=self.message)


class EnvelopeBackend:
    """A backend behind one gRPC channel of another process."""

    def __init__(self, channel: grpc.aio.Channel, peer_token: Callable[[], str], *, name: str, max_in_flight: int = 2) -> None:
        """`peer_token` returns this process's own token; `name` names the backend in errors and metrics."""
        self._stub = envelope_pb2_grpc.EnvelopeServiceStub(channel)
        self._peer_token = peer_token
        self._name = name
        self._policies: dict[str, MethodPolicy] = {}
        self._batcher: NaturalBatcher[_Pending, Answer] = NaturalBatcher(
            self._send, name=f"envelope.{name}", max_batch=MAX_CALLS, max_queue=MAX_QUEUE, max_in_flight=max_in_flight
        )

    async def call(self, method: str, message: bytes, metadata: Metadata, timeout_seconds: float) -> Answer:
        """Send one call, alone or with others, and return its outcome."""
        policy = self._policies.get(method)
        if policy is None:
            policy = self._policies[method] = checked_policy(find_method(method))
        pending = _Pending(method, policy, metadata, message, time.monotonic() + timeout_seconds)
        if not policy.coalesce or len(message) > SHARED_MESSAGE_BYTES or _waits(policy, message):
            return (await self._send([pending]))[0]
        try:
            return await self._batcher.submit(pending)
        except ChargingError as error:
            return _failed(error)

    async def close(self) -> None:
        """Refuse new calls and wait for those in flight."""
        await self._batcher.close()

    async def _send(self, calls: Sequence[_Pending]) -> list[Answer]:
        """Send the calls in one envelope, again and again while the outcome is unknown and repeating is safe."""
        answers: dict[int, Answer] = {}
        left = list(range(len(calls)))
        pause = FIRST_PAUSE_SECONDS
        while left:
            seconds = max(calls[index].deadline for index in left) - time.monotonic()
            if seconds <= 0:
                answers.update((index, _unknown(self._name, Code.DEADLINE_EXCEEDED)) for index in left)
                break
            request = envelope_pb2.DispatchRequest(calls=[calls[index].sealed() for index in left])
            try:
                response = await self._stub.Dispatch(
                    request, timeout=seconds + GRACE_SECONDS, metadata=(("authorization", f"Token {self._peer_token()}"),)
                )
            except grpc.aio.AioRpcError as error:
                left = self._after_failure(calls, left, error, answers)
            else:
                repeated = pause > FIRST_PAUSE_SECONDS
                answers.update((index, self._judge(result, repeated)) for index, result in zip(left, response.results, strict=True))
                break
            await asyncio.sleep(min(pause, LONGEST_PAUSE_SECONDS, max(0.0, seconds)))
            pause *= 2
        return [answers[index] for index in range(len(calls))]

    def _judge(self, result: envelope_pb2.InnerResult, repeated: bool) -> Answer:
        """Return the outcome of a call. Over the limit says "nothing was done", which nobody knows of a call that was sent before."""
        if repeated and result.code == Code.RESOURCE_EXHAUSTED:
            return _unknown(self._name, Code.UNAVAILABLE)
        return _answer(result)

    def _after_failure(
        self, calls: Sequence[_Pending], left: Sequence[int], error: grpc.aio.AioRpcError, answers: dict[int, Answer]
    ) -> list[int]:
        """Answer the calls that must not be sent again, and return the others."""
        again = []
        for index in left:
            if error.code() not in RESENT_CODES:
                code = Code.DEADLINE_EXCEEDED if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED else Code.UNAVAILABLE
                answers[index] = _unknown(self._name, code)
            elif calls[index].policy.repeatable:
                again.append(index)
            else:
                answers[index] = _unknown(self._name, Code.UNAVAILABLE)
        return again


def _waits(policy: MethodPolicy, message: bytes) -> bool:
    """Tell whether this call asks to be answered only when its outcome is final."""
    if not policy.waitable:
        return False
    request: Any = GetMessageClass(find_method(policy.name).input_type).FromString(message)
    return bool(request.wait_seconds)


def _answer(result: envelope_pb2.InnerResult) -> Answer:
    trailers = {entry.key: entry.value if entry.key.endswith("-bin") else entry.value.decode("latin-1") for entry in result.trailers}
    return Answer(result.code, result.details, result.message, trailers)


def _unknown(name: str, code: Code) -> Answer:
    text = f"{name} did not answer; what happened is unknown, and repeating with the same idempotency key is safe"
    error = ChargingError(text, reason="OUTCOME_UNKNOWN", metadata={"service": name}, retry_after_seconds=1.0)
    error.code = code
    return _failed(error)


def _failed(error: ChargingError) -> Answer:
    status = status_of(error)
    return Answer(status.code, status.message, trailers={DETAILS_KEY: status.SerializeToString()})
