"""The same rules on channels of grpc.aio."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from charging.client import connect_aio, idempotency_key_of, reason_of
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub
from charging.identity.v1 import identity_pb2
from charging.identity.v1.identity_pb2_grpc import UserServiceStub

from shared.errors import ResourceExhausted, Unavailable
from tests.unit.client.conftest import CHARGE, CHARGED
from tests.unit.client.fake_service import FakeService, Hang

DOWN = Unavailable("down")


@pytest.fixture
async def aio_channel(service: FakeService) -> AsyncIterator[grpc.aio.Channel]:
    """Give a channel of grpc.aio to the service."""
    async with connect_aio(service.address, token="secret") as channel:
        yield channel


async def test_one_key_goes_with_every_try(aio_channel: grpc.aio.Channel, service: FakeService) -> None:
    """A charge that was repeated is one charge."""
    service.script = [DOWN, DOWN, CHARGED]
    assert await ChargeServiceStub(aio_channel).IncreaseCredit(CHARGE) == CHARGED
    assert len(service.keys) == 3
    assert len(set(service.keys)) == 1
    assert service.keys[0]


async def test_the_callers_own_key_is_kept(aio_channel: grpc.aio.Channel, service: FakeService) -> None:
    """Over all tries."""
    service.script = [DOWN, CHARGED]
    await ChargeServiceStub(aio_channel).IncreaseCredit(CHARGE, metadata=(("idempotency-key", "order-1"),))
    assert service.keys == ["order-1", "order-1"]


async def test_what_is_not_idempotent_is_sent_once(aio_channel: grpc.aio.Channel, service: FakeService) -> None:
    """CreateUser promises nothing about a second call."""
    service.script = [DOWN]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await UserServiceStub(aio_channel).CreateUser(identity_pb2.CreateUserRequest())
    assert reason_of(caught.value) == "UNAVAILABLE"
    assert service.keys == [None]


async def test_the_deadline_counts_over_all_tries(aio_channel: grpc.aio.Channel, service: FakeService) -> None:
    """A retry does not start the caller's time anew, and the error tells the key to repeat it with."""
    service.script = [DOWN, Hang()]
    started = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ChargeServiceStub(aio_channel).IncreaseCredit(CHARGE, timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.4 < time.monotonic() - started < 2
    assert idempotency_key_of(caught.value) == service.keys[0]


async def test_every_call_has_a_deadline(aio_channel: grpc.aio.Channel, service: FakeService) -> None:
    """The channel's, when the call names none."""
    await ChargeServiceStub(aio_channel).IncreaseCredit(CHARGE)
    assert service.received[0].seconds_left == pytest.approx(10, abs=0.5)


async def test_retry_info_is_honoured(aio_channel: grpc.aio.Channel, service: FakeService) -> None:
    """The service is not asked again before the time it names."""
    service.script = [ResourceExhausted("slow down", retry_after_seconds=0.3), CHARGED]
    await ChargeServiceStub(aio_channel).IncreaseCredit(CHARGE)
    first, second = service.received
    assert second.at - first.at >= 0.3


async def test_a_cancelled_call_is_not_repeated(aio_channel: grpc.aio.Channel, service: FakeService) -> None:
    """Whoever gives up while a call waits for its next try has ended it."""
    service.script = [Unavailable("down", retry_after_seconds=1)]
    call = ChargeServiceStub(aio_channel).IncreaseCredit(CHARGE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await call
    assert call.cancelled()
    assert len(service.received) == 1


async def test_a_token_may_be_awaited(service: FakeService) -> None:
    """It is asked for before every try."""
    tokens = iter(["old", "new"])

    async def token() -> str:
        return next(tokens)

    service.script = [DOWN, CHARGED]
    async with connect_aio(service.address, token=token) as channel:
        await ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    assert service.tokens == ["Token old", "Token new"]


async def test_a_stream_carries_the_token_and_no_deadline(aio_channel: grpc.aio.Channel, service: FakeService) -> None:
    """A stream lives until its reader leaves it."""
    watch = aio_channel.unary_stream("/charging.customer_charge.v1.EventService/Watch", bytes, bytes)
    assert len([answer async for answer in watch(b"")]) == 1
    assert service.tokens == ["Token secret"]
    assert service.received[0].seconds_left is None
