"""Which failures are repeated, and for how long."""

import time

import grpc
import pytest
from charging.client import connect, idempotency_key_of, reason_of
from charging.customer_charge.v1 import customer_charge_pb2 as messages
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub
from charging.identity.v1 import identity_pb2
from charging.identity.v1.identity_pb2_grpc import TokenServiceStub, UserServiceStub

from shared.errors import (
    ChargingError,
    Conflict,
    DeadlineExceeded,
    FailedPrecondition,
    IdempotencyKeyRunning,
    Overloaded,
    ResourceExhausted,
    Unavailable,
)
from tests.unit.client.conftest import CHARGE, CHARGED
from tests.unit.client.fake_service import FakeService, Hang

DOWN = Unavailable("the database is out of reach")


@pytest.mark.parametrize(
    "failure",
    [DOWN, Overloaded("full"), IdempotencyKeyRunning("running"), ResourceExhausted("slow down", retry_after_seconds=0.01)],
    ids=lambda failure: failure.reason,
)
def test_a_charge_is_sent_again_with_the_same_key(channel: grpc.Channel, service: FakeService, failure: ChargingError) -> None:
    """A failure that may pass is repeated, and one key made at the first try goes with every try."""
    service.script = [failure, failure, CHARGED]
    answer = ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    assert answer.status == messages.CHARGE_STATE_ACCEPTED
    assert len(service.keys) == 3
    assert len(set(service.keys)) == 1
    assert service.keys[0]


@pytest.mark.parametrize(
    "failure",
    [
        Conflict("sealed", reason="KEY_SEALED"),
        FailedPrecondition("other payload", reason="IDEMPOTENCY_KEY_REUSED"),
        ResourceExhausted("more than the limit allows at all", reason="COST_ABOVE_LIMIT"),
        DeadlineExceeded("too late", retry_after_seconds=0.01),
        ChargingError("an unexpected error", retry_after_seconds=0.01),
    ],
    ids=lambda failure: failure.reason,
)
def test_an_answer_that_will_not_change_is_given_at_once(channel: grpc.Channel, service: FakeService, failure: ChargingError) -> None:
    """Only what time can heal is repeated."""
    service.script = [failure, CHARGED]
    with pytest.raises(grpc.RpcError) as caught:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    assert reason_of(caught.value) == failure.reason
    assert len(service.received) == 1


@pytest.mark.parametrize(
    "failure", [DOWN, IdempotencyKeyRunning("running"), ResourceExhausted("slow down", retry_after_seconds=0.01)], ids=lambda f: f.reason
)
def test_a_method_that_is_not_idempotent_is_sent_once(channel: grpc.Channel, service: FakeService, failure: ChargingError) -> None:
    """CreateUser and CreateToken promise nothing about a second call, so there is none, and no key pretends otherwise."""
    service.script = [failure]
    with pytest.raises(grpc.RpcError) as caught:
        UserServiceStub(channel).CreateUser(identity_pb2.CreateUserRequest(username="a", password="b"))
    assert len(service.received) == 1
    assert idempotency_key_of(caught.value) is None
    with pytest.raises(grpc.RpcError):
        TokenServiceStub(channel).CreateToken(identity_pb2.CreateTokenRequest(username="a", password="b"))
    assert len(service.received) == 2
    assert service.keys == [None, None]


def test_a_method_outside_the_contract_is_sent_once(channel: grpc.Channel, service: FakeService) -> None:
    """Nothing is known of it, so nothing is safe."""
    service.script = [DOWN]
    with pytest.raises(grpc.RpcError):
        channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)(b"")
    assert len(service.received) == 1


def test_a_read_is_repeated_without_a_key(channel: grpc.Channel, service: FakeService) -> None:
    """A method without side effects is safe to repeat, and takes no key."""
    service.script = [DOWN, messages.GetChargeResponse()]
    ChargeServiceStub(channel).GetCharge(messages.GetChargeRequest(id="0"))
    assert service.keys == [None, None]


def test_retry_info_is_the_shortest_pause(channel: grpc.Channel, service: FakeService) -> None:
    """The service says when to come back, and is not asked before."""
    service.script = [Unavailable("later", retry_after_seconds=0.3), CHARGED]
    ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    first, second = service.received
    assert 0.3 <= second.at - first.at < 2


def test_a_pause_beyond_the_deadline_is_not_waited_for(channel: grpc.Channel, service: FakeService) -> None:
    """The refusal that names the time is worth more to the caller than a missed deadline."""
    service.script = [ResourceExhausted("come back in a minute", retry_after_seconds=60)]
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE, timeout=5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert time.monotonic() - started < 2
    assert len(service.received) == 1


def test_the_deadline_counts_over_all_tries(channel: grpc.Channel, service: FakeService) -> None:
    """Each try gets what the ones before left, and the last failure comes before the deadline."""
    service.script = [Unavailable("down", retry_after_seconds=0.3)]
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE, timeout=1.2)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - started < 1.2
    # Pauses of 0.35 to 0.4 s and 0.4 to 0.5 s fit, a third of at least 0.5 s does not.
    left = [try_.seconds_left or 0 for try_ in service.received]
    assert len(left) == 3
    # The service sees a little more than is left: gRPC rounds a timeout up when it sends it.
    assert left[0] <= 1.2 + 0.05
    assert left[1] <= 0.85 + 0.05
    assert left[2] <= 0.45 + 0.05


def test_a_service_that_hangs_on_the_second_try_is_left_at_the_deadline(channel: grpc.Channel, service: FakeService) -> None:
    """A retry does not start the caller's time anew."""
    service.script = [DOWN, Hang()]
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE, timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.4 < time.monotonic() - started < 2
    assert idempotency_key_of(caught.value) == service.keys[0]


@pytest.mark.parametrize(("wait_seconds", "expected"), [(0, 3.0), (20, 23.0)])
def test_every_call_has_a_deadline(service: FakeService, wait_seconds: int, expected: float) -> None:
    """A call that names no timeout gets the channel's, and beyond it the time it asks to wait."""
    request = messages.IncreaseCreditRequest(vendor_id=1, customer_id=2, amount=100, wait_seconds=wait_seconds)
    with connect(service.address, timeout_seconds=3) as channel:
        ChargeServiceStub(channel).IncreaseCredit(request)
    assert service.received[0].seconds_left == pytest.approx(expected, abs=0.5)


def test_a_service_that_is_not_there_is_tried_until_the_deadline() -> None:
    """A refused connection is an UNAVAILABLE like any other, and the answer when no time is left."""
    with connect("127.0.0.1:1", timeout_seconds=0.5) as channel, pytest.raises(grpc.RpcError) as caught:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(caught.value) is None
    assert idempotency_key_of(caught.value)


def test_a_future_does_not_block_and_is_sent_once(channel: grpc.Channel, service: FakeService) -> None:
    """future() returns while the call is under way; it has the token and the key, and no second try."""
    service.script = [Hang()]
    future = ChargeServiceStub(channel).IncreaseCredit.future(CHARGE, timeout=0.3)
    assert not future.done()
    with pytest.raises(grpc.RpcError) as caught:
        future.result()
    assert idempotency_key_of(caught.value) == service.keys[0]
    assert service.tokens == ["Token secret"]
