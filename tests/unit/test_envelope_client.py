"""The sending side of envelopes: what is sent again, and what is said of calls whose outcome is unknown."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from charging.customer_charge.v1 import customer_charge_pb2
from charging.identity.v1 import identity_pb2
from charging.transport.v1 import envelope_pb2

from shared.errors import Code
from shared.transport.envelope_client import EnvelopeBackend

CHARGE = "/charging.customer_charge.v1.ChargeService/IncreaseCredit"
CREATE_USER = "/charging.identity.v1.UserService/CreateUser"
Step = Callable[[envelope_pb2.DispatchRequest], envelope_pb2.DispatchResponse]


class FakeChannel:
    """A channel on which envelopes, alone or on a stream, play one step after the other; each is an answer or raises."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.sent: list[envelope_pb2.DispatchRequest] = []

    def unary_unary(self, *_: Any, **__: Any) -> Any:
        async def dispatch(request: envelope_pb2.DispatchRequest, **__: Any) -> envelope_pb2.DispatchResponse:
            return self.play(request)

        return dispatch

    def stream_stream(self, *_: Any, **__: Any) -> Any:
        return lambda **_: FakeStream(self)

    def play(self, request: envelope_pb2.DispatchRequest) -> envelope_pb2.DispatchResponse:
        """Play the next step."""
        self.sent.append(request)
        return self.steps.pop(0)(request)


class FakeStream:
    """A stream on which every envelope is answered by the channel's next step; one that raises ends the stream."""

    def __init__(self, channel: FakeChannel) -> None:
        self._channel = channel
        self._outcomes: asyncio.Queue[envelope_pb2.ExchangeEnvelopesResponse | Exception] = asyncio.Queue()

    async def write(self, request: envelope_pb2.ExchangeEnvelopesRequest) -> None:
        """Take an envelope."""
        try:
            response = self._channel.play(envelope_pb2.DispatchRequest(calls=request.calls))
        except grpc.aio.AioRpcError as error:
            self._outcomes.put_nowait(error)
        else:
            self._outcomes.put_nowait(envelope_pb2.ExchangeEnvelopesResponse(number=request.number, results=response.results))

    async def read(self) -> envelope_pb2.ExchangeEnvelopesResponse:
        """Give the next outcome."""
        outcome = await self._outcomes.get()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def done_writing(self) -> None:
        """Nothing more comes."""


def lost(_: envelope_pb2.DispatchRequest) -> envelope_pb2.DispatchResponse:
    """Lose the connection."""
    metadata = grpc.aio.Metadata()
    raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, metadata, metadata)


def answered(code: int) -> Step:
    """Answer every call with the code."""
    return lambda request: envelope_pb2.DispatchResponse(results=[envelope_pb2.InnerResult(code=code) for _ in request.calls])


def backend(channel: FakeChannel) -> EnvelopeBackend:
    """Return a backend on the fake channel."""
    return EnvelopeBackend(channel, lambda: "token", name="customer_charge")  # type: ignore[arg-type]


CHARGE_REQUEST = customer_charge_pb2.IncreaseCreditRequest(vendor_id=1, customer_id=1, amount=1).SerializeToString()
METADATA = (("charging-call-id", "01a209e6-55af-730b-b551-93798a7b769c"), ("idempotency-key", "k"))


async def test_a_charge_whose_connection_was_lost_is_sent_again_with_the_same_ids() -> None:
    """The reply was lost, not the charge: the second send carries what the first did."""
    channel = FakeChannel(lost, lost, answered(0))
    answer = await backend(channel).call(CHARGE, CHARGE_REQUEST, METADATA, 5.0)
    assert answer.code == 0
    assert [list(sent.calls[0].metadata) for sent in channel.sent] == [list(channel.sent[0].calls[0].metadata)] * 3


async def test_a_call_that_is_not_idempotent_is_sent_once() -> None:
    """Creating a user twice would be two effects: the caller is told that the outcome is unknown."""
    channel = FakeChannel(lost)
    request = identity_pb2.CreateUserRequest(username="a", password="12345678").SerializeToString()
    answer = await backend(channel).call(CREATE_USER, request, (), 5.0)
    assert (answer.code, len(channel.sent)) == (Code.UNAVAILABLE, 1)


async def test_over_the_limit_is_not_believed_of_a_call_that_was_sent_before() -> None:
    """The first send may have been accepted: "nothing was done" would be a lie, "unknown" is the truth."""
    answer = await backend(FakeChannel(lost, answered(Code.RESOURCE_EXHAUSTED))).call(CHARGE, CHARGE_REQUEST, METADATA, 5.0)
    assert answer.code == Code.UNAVAILABLE
    first = await backend(FakeChannel(answered(Code.RESOURCE_EXHAUSTED))).call(CHARGE, CHARGE_REQUEST, METADATA, 5.0)
    assert first.code == Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.DEADLINE_EXCEEDED])
async def test_no_refusal_from_before_execution_is_believed_of_a_call_that_was_sent_before(code: Code) -> None:
    """A restarted service with empty caches may refuse what its predecessor had accepted; the caller learns which key to repeat."""
    answer = await backend(FakeChannel(lost, answered(code))).call(CHARGE, CHARGE_REQUEST, METADATA, 5.0)
    assert answer.code == Code.UNAVAILABLE
    assert b"OUTCOME_UNKNOWN" in answer.status
    assert b"idempotency_key" in answer.status


async def test_a_repeated_call_is_sent_again_while_the_service_says_unavailable() -> None:
    """The service is up again and its own neighbour is not yet: within the deadline the door keeps asking."""
    channel = FakeChannel(lost, answered(Code.UNAVAILABLE), answered(Code.UNAVAILABLE), answered(0))
    answer = await backend(channel).call(CHARGE, CHARGE_REQUEST, METADATA, 5.0)
    assert (answer.code, len(channel.sent)) == (0, 4)


async def test_a_door_that_leaves_answers_waiting_calls_with_what_is_known() -> None:
    """The waiting call is asked again without its wait, with the same ids, and its caller gets that answer."""
    arrived = asyncio.Event()

    class WaitingChannel(FakeChannel):
        def unary_unary(self, *_: Any, **__: Any) -> Any:
            async def dispatch(request: envelope_pb2.DispatchRequest, **__: Any) -> envelope_pb2.DispatchResponse:
                self.sent.append(request)
                arrived.set()
                if customer_charge_pb2.IncreaseCreditRequest.FromString(request.calls[0].message).wait_seconds:
                    await asyncio.Event().wait()
                return answered(0)(request)

            return dispatch

    channel = WaitingChannel()
    sender = backend(channel)
    request = customer_charge_pb2.IncreaseCreditRequest(vendor_id=1, customer_id=1, amount=1, wait_seconds=30).SerializeToString()
    call = asyncio.ensure_future(sender.call(CHARGE, request, METADATA, 40.0, waits=True))
    await asyncio.wait_for(arrived.wait(), 5)
    sender.stop_waiting()
    assert (await asyncio.wait_for(call, 5)).code == 0
    assert list(channel.sent[1].calls[0].metadata) == list(channel.sent[0].calls[0].metadata)


async def test_calls_stop_being_sent_when_their_time_is_over() -> None:
    """A peer that stays away costs the caller its deadline, not for ever."""
    answer = await backend(FakeChannel(*[lost] * 50)).call(CHARGE, CHARGE_REQUEST, METADATA, 0.3)
    assert answer.code == Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize("wait_seconds", [0, 5])
async def test_only_calls_that_answer_at_once_share_an_envelope(wait_seconds: int) -> None:
    """A caller that waits for settlement would hold up its companions, and travels alone."""
    request = customer_charge_pb2.IncreaseCreditRequest(vendor_id=1, customer_id=1, amount=1, wait_seconds=wait_seconds).SerializeToString()
    channel = FakeChannel(*[answered(0)] * 8)
    sender = backend(channel)
    await asyncio.gather(*[sender.call(CHARGE, request, METADATA, 5.0, waits=wait_seconds > 0) for _ in range(8)])
    assert max(len(sent.calls) for sent in channel.sent) == (1 if wait_seconds else 8)
