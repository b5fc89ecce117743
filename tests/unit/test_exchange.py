"""A stream of envelopes between a door and a service, over a real connection: what is answered, what is lost, and how it is replaced."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from charging.transport.v1 import envelope_pb2, envelope_pb2_grpc
from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc as rpc

from shared.call import Call, current_call
from shared.errors import NotFound
from shared.interceptors.context import ContextInterceptor
from shared.interceptors.decoding import DecodingInterceptor
from shared.interceptors.error_mapping import ErrorMappingInterceptor
from shared.method_table import MethodTable
from shared.transport import exchange
from shared.transport.channels import open_channel
from shared.transport.envelope_server import EnvelopeServicer, envelope_servicer
from shared.transport.exchange import EnvelopeLost, ExchangeLine

GET_VENDOR = "/charging.vendor_credit.v1.VendorService/GetVendor"
SECONDS = 5.0
SHORT_US = 50_000


class Vendors(rpc.VendorServiceServicer):
    """Answers for vendor 1 at once; for vendor 2 when it is let go; there is no other."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.let_go = asyncio.Event()
        self.calls: list[Call] = []

    async def GetVendor(self, request: pb.GetVendorRequest, context: object) -> pb.GetVendorResponse:  # type: ignore[override]  # noqa: N802
        """Answer."""
        self.calls.append(current_call())
        self.asked.release()
        if request.id == 2:
            await self.let_go.wait()
        if request.id > 2:
            raise NotFound.of("vendor", request.id, "id")
        return pb.GetVendorResponse(data=pb.Vendor(id=request.id))


class Service:
    """A service with vendors on a port of its own; counts the streams that were opened."""

    def __init__(self) -> None:
        self.vendors = Vendors()
        self.opened = 0
        self.envelopes: EnvelopeServicer
        self.envelopes, entry = envelope_servicer()
        chain = [ContextInterceptor(log_success=False), ErrorMappingInterceptor(), DecodingInterceptor()]
        self.envelopes.table = MethodTable([(rpc.add_VendorServiceServicer_to_server, self.vendors), entry], chain)
        served = self.envelopes.ExchangeEnvelopes

        async def counted(opening: Any, context: Any) -> None:
            self.opened += 1
            await served(opening, context)

        self.envelopes.ExchangeEnvelopes = counted  # type: ignore[method-assign]
        self.server = grpc.aio.server()
        MethodTable([(rpc.add_VendorServiceServicer_to_server, self.vendors), (entry[0], self.envelopes)], chain).register(self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Service, ExchangeLine]]:
    """Give a service and a line to it."""
    service = Service()
    await service.server.start()
    try:
        async with open_channel(f"127.0.0.1:{service.port}", None) as channel:
            line = ExchangeLine(channel, lambda: "token")
            yield service, line
            await line.close()
    finally:
        service.vendors.let_go.set()
        await service.server.stop(0)


def get_vendor(vendor_id: int, *, method: str = GET_VENDOR, timeout_us: int = 5_000_000) -> envelope_pb2.InnerCall:
    """Return a call for one vendor."""
    return envelope_pb2.InnerCall(method=method, timeout_us=timeout_us, message=pb.GetVendorRequest(id=vendor_id).SerializeToString())


def envelope(*calls: envelope_pb2.InnerCall) -> envelope_pb2.ExchangeEnvelopesRequest:
    """Return an envelope of calls; it gets its number when it is sent."""
    return envelope_pb2.ExchangeEnvelopesRequest(calls=calls)


def vendor_of(result: envelope_pb2.InnerResult) -> int:
    """Return the vendor that a result tells of."""
    return int(pb.GetVendorResponse.FromString(result.message).data.id)


async def test_many_envelopes_travel_on_one_stream() -> None:
    """It is opened once, and every call of every envelope has its own outcome."""
    async with running() as (service, line):
        for _ in range(3):
            found, missing = await line.send(envelope(get_vendor(1), get_vendor(9)), SECONDS)
            assert (vendor_of(found), missing.code) == (1, grpc.StatusCode.NOT_FOUND.value[0])
        assert service.opened == 1
        assert all(call.enveloped for call in service.vendors.calls)


async def test_an_envelope_does_not_wait_for_the_one_before_it() -> None:
    """Outcomes come back in the order in which they are there."""
    async with running() as (service, line):
        slow = asyncio.ensure_future(line.send(envelope(get_vendor(2)), SECONDS))
        await service.vendors.asked.acquire()
        (quick,) = await line.send(envelope(get_vendor(1)), SECONDS)
        assert vendor_of(quick) == 1
        assert not slow.done()
        service.vendors.let_go.set()
        assert vendor_of((await slow)[0]) == 2
        assert service.opened == 1


async def test_a_service_that_leaves_still_answers_and_gets_nothing_more() -> None:
    """It asks for the end of the stream, which comes after the last outcome; the next envelope opens another."""
    async with running() as (service, line):
        under_way = asyncio.ensure_future(line.send(envelope(get_vendor(2)), SECONDS))
        await service.vendors.asked.acquire()
        service.envelopes.leave()
        first = line._exchange
        while first is not None and first.usable:  # noqa: ASYNC110 - told over the wire: there is no event to wait for
            await asyncio.sleep(0)
        stopping = asyncio.ensure_future(service.server.stop(SECONDS))
        service.vendors.let_go.set()
        assert vendor_of((await under_way)[0]) == 2
        async with asyncio.timeout(SECONDS / 2):
            await stopping
        with pytest.raises(EnvelopeLost):
            await line.send(envelope(get_vendor(1)), SECONDS)


async def test_what_was_not_answered_when_a_stream_breaks_is_lost_and_the_next_envelope_opens_another() -> None:
    """Nobody knows what became of it, and nothing else is held up by it."""
    async with running() as (service, line):
        lost = asyncio.ensure_future(line.send(envelope(get_vendor(2)), SECONDS))
        await service.vendors.asked.acquire()
        assert line._exchange is not None
        line._exchange._call.cancel()
        with pytest.raises(EnvelopeLost) as caught:
            await lost
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        (found,) = await line.send(envelope(get_vendor(1)), SECONDS)
        assert (vendor_of(found), service.opened) == (1, 2)


async def test_an_envelope_without_an_answer_in_time_leaves_the_stream_to_the_others() -> None:
    """The sender waits for as long as it said; what comes too late is nobody's."""
    async with running() as (service, line):
        with pytest.raises(EnvelopeLost) as caught:
            await line.send(envelope(get_vendor(2)), 0.05)
        assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        service.vendors.let_go.set()
        (found,) = await line.send(envelope(get_vendor(1)), SECONDS)
        assert (vendor_of(found), service.opened) == (1, 1)


@pytest.mark.parametrize("others", [0, 1])
async def test_a_call_that_is_not_finished_in_its_own_time_is_answered_late(others: int) -> None:
    """Alone or in company, the service gives it up when its time is over."""
    async with running() as (_, line):
        short = [get_vendor(vendor_id, timeout_us=SHORT_US) for vendor_id in (*[1] * others, 2)]
        *found, late = await line.send(envelope(*short), SECONDS)
        assert late.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        assert [vendor_of(result) for result in found] == [1] * others


async def test_a_stream_is_replaced_after_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one under way keeps its stream, the next gets a new one, and the old one ends when it is empty."""
    async with running() as (service, line):
        monkeypatch.setattr(exchange, "FRESH_SECONDS", 0.0)
        old = asyncio.ensure_future(line.send(envelope(get_vendor(2)), SECONDS))
        await service.vendors.asked.acquire()
        first = line._exchange
        await line.send(envelope(get_vendor(1)), SECONDS)
        assert service.opened == 2
        service.vendors.let_go.set()
        assert vendor_of((await old)[0]) == 2
        assert first is not None
        async with asyncio.timeout(SECONDS):
            await first._reading


async def test_a_service_that_is_not_there_is_told_of_at_once() -> None:
    """Nothing was sent: the sender may try again."""
    service = Service()
    async with open_channel(f"127.0.0.1:{service.port}", None) as channel:
        await service.server.stop(0)
        line = ExchangeLine(channel, lambda: "token")
        with pytest.raises(EnvelopeLost) as caught:
            await line.send(envelope(get_vendor(1)), SECONDS)
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE


BAD: dict[str, Callable[[], bytes]] = {
    "no message": lambda: b"\xff\xff",
    "no calls": lambda: envelope_pb2.ExchangeEnvelopesRequest(number=1).SerializeToString(),
    "too many calls": lambda: envelope_pb2.ExchangeEnvelopesRequest(number=1, calls=[get_vendor(1)] * 1_025).SerializeToString(),
    "a call that shares with nobody": lambda: envelope_pb2.ExchangeEnvelopesRequest(
        number=1, calls=[get_vendor(1), get_vendor(1, method="/charging.transport.v1.EnvelopeService/Dispatch")]
    ).SerializeToString(),
}


@pytest.mark.parametrize("kind", BAD)
async def test_what_is_no_envelope_ends_the_stream_and_says_why(kind: str) -> None:
    """A peer that sends it is broken: it is told, and nothing of it is served."""
    async with running() as (service, _), open_channel(f"127.0.0.1:{service.port}", None) as channel:
        raw: Any = channel.stream_stream("/charging.transport.v1.EnvelopeService/ExchangeEnvelopes")()
        await raw.write(BAD[kind]())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw.read()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert service.vendors.calls == []


async def test_a_stream_that_is_never_replaced_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token with which it was opened is not good for ever."""
    monkeypatch.setattr("shared.transport.envelope_server.EXCHANGE_SECONDS_MAX", 0.05)
    async with running() as (service, _), open_channel(f"127.0.0.1:{service.port}", None) as channel:
        opened: Any = envelope_pb2_grpc.EnvelopeServiceStub(channel).ExchangeEnvelopes
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await opened().read()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
