"""Clients of a gRPC door that ask for too much: each gets a refusal or is dropped, and others are served meanwhile."""

import asyncio
import struct
from collections import Counter
from collections.abc import Sequence

import grpc
import httpx
import pytest
from charging.client import reason_of
from charging.customer_charge.v1.customer_charge_pb2 import IncreaseCreditRequest
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub
from charging.customer_charge.v1.events_pb2 import WatchEventsRequest
from charging.customer_charge.v1.events_pb2_grpc import EventServiceStub

from shared.arrival import UNANSWERED_MAX
from shared.local.stack import Stack
from shared.settings import CommonSettings
from shared.transport.channels import MAX_MESSAGE_BYTES
from tests.system.greedy import GREEDY, all_of, others_are_served, until
from tests.system.office import Office, Partner, async_caller
from tests.system.raw_http2 import CANCEL, CHARGE, RST_STREAM, RawConnection, charge_of, data, frame, gzip_bomb, head, message

BOMB_BYTES = 48 << 20
"""Inflated. Less than a window of it travels."""

BOMBS = 50
CALLS = 1_000
STREAMS = 150
RESETS = 20_000


def address_of(stack: Stack) -> str:
    """Return where customer_charge is."""
    return stack.environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"]


def streams(number: int) -> Sequence[int]:
    """Return so many numbers of streams of a client."""
    return range(1, 2 * number, 2)


async def all_ended(connection: RawConnection, number: int) -> None:
    """Return when so many calls have ended or the other side has hung up."""
    await until(lambda: len(connection.ended) >= number or connection.closed)


async def test_messages_that_are_too_large_are_refused(stack: Stack, office: Office) -> None:
    """Also those that become so when they are decompressed: gigabytes in a few megabytes take no memory."""
    partner = office.partner()
    bomb = gzip_bomb(BOMB_BYTES)
    with others_are_served(stack, office):
        async with (
            grpc.aio.insecure_channel(address_of(stack)) as channel,
            all_of([RawConnection.open(address_of(stack), GREEDY) for _ in range(BOMBS)]) as connections,
        ):
            charge = ChargeServiceStub(channel).IncreaseCredit
            large = IncreaseCreditRequest(vendor_id=partner.vendor, external_id="x" * MAX_MESSAGE_BYTES)
            for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await charge(large, metadata=(("authorization", f"Token {partner.token}"),), compression=compression)
                assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            for raw in connections:
                await raw.send(head(1, CHARGE, partner.token, [("grpc-encoding", "gzip")]), data(1, bomb))
            for raw in connections:
                await all_ended(raw, 1)
                assert b"grpc-status\x018" in raw.ended[1], "RESOURCE_EXHAUSTED"


async def test_who_may_not_call_makes_nobody_hold_its_requests(stack: Stack, office: Office) -> None:
    """Without a token a call is refused before its request is asked for; no more than a window of it flows, a thousand times over."""
    begun = message(bytes(3 << 20))[:15_000]
    with others_are_served(stack, office):
        async with all_of([RawConnection.open(address_of(stack), GREEDY) for _ in range(5)]) as connections:
            for raw in connections:
                for stream in streams(CALLS):
                    await raw.send(head(stream, CHARGE), frame(0, 0, stream, begun))
                await all_ended(raw, CALLS)
                assert raw.closed or len(raw.ended) == CALLS


async def one_more_until_refused(stack: Stack, partner: Partner) -> grpc.aio.AioRpcError:
    """Charge as a well-behaved client does, again and again while the others come to stand in line, and return the refusal."""
    order = IncreaseCreditRequest(vendor_id=partner.vendor, customer_id=partner.customer, amount=1)
    async with asyncio.timeout(30), grpc.aio.insecure_channel(address_of(stack)) as channel:
        while True:
            try:
                await ChargeServiceStub(channel).IncreaseCredit(order, metadata=(("authorization", f"Token {partner.token}"),))
            except grpc.aio.AioRpcError as error:
                return error
            await asyncio.sleep(0.05)


async def test_thousands_of_calls_on_one_connection_are_bounded(stack: Stack, office: Office) -> None:
    """Those whose requests do not come, or whose answers nobody takes, are no more than so many; the caller hears of it."""
    partner = office.partner(credit=10_000)
    closed_window = struct.pack(">HI", 4, 0)
    with others_are_served(stack, office):
        async with all_of([RawConnection.open(address_of(stack), GREEDY, closed_window) for _ in range(2)]) as connections:
            charge = charge_of(partner.vendor, partner.customer)
            for raw in connections:
                await raw.send(*[head(stream, CHARGE, partner.token) for stream in streams(UNANSWERED_MAX)])
            refusal = await one_more_until_refused(stack, partner)
            assert (refusal.code(), reason_of(refusal)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"), refusal
            await all_ended(connections[1], UNANSWERED_MAX // 2)
            await connections[0].send(*[data(stream, charge) for stream in streams(10)])


async def test_calls_that_are_reset_at_once_cost_their_connection_only(stack: Stack, office: Office) -> None:
    """The rapid reset of HTTP/2 (CVE-2023-44487): thousands of calls begun and cancelled."""
    partner = office.partner()
    with others_are_served(stack, office):
        async with all_of([RawConnection.open(address_of(stack), GREEDY)]) as (raw,):
            try:
                for start in range(0, RESETS, 100):
                    frames = [
                        head(stream, CHARGE, partner.token) + frame(RST_STREAM, 0, stream, CANCEL)
                        for stream in range(2 * start + 1, 2 * start + 201, 2)
                    ]
                    await raw.send(*frames)
            except ConnectionError:
                assert raw.closed


async def test_one_principal_has_no_more_streams_than_its_share(stack: Stack, office: Office, url: str) -> None:
    """Of hundreds of event streams at both doors so many are served, although nobody reads them, and the others hear why."""
    partner = office.partner(credit=100)
    share = CommonSettings.model_fields["streams_per_principal_max"].default
    with others_are_served(stack, office):
        async with (
            grpc.aio.insecure_channel(address_of(stack)) as channel,
            async_caller(url, partner.token, GREEDY, connections=STREAMS) as http,
        ):
            over_grpc = await asyncio.gather(*[grpc_stream(channel, partner) for _ in range(STREAMS)])
            assert Counter(reason for reason, _ in over_grpc) == {"": share, "TOO_MANY_STREAMS": STREAMS - share}
            over_http = Counter(await asyncio.gather(*[http_stream(http, partner) for _ in range(STREAMS)]))
            assert over_http == {429: STREAMS}
            for _, call in over_grpc:
                call.cancel()


async def grpc_stream(channel: grpc.aio.Channel, partner: Partner) -> tuple[str, grpc.aio.UnaryStreamCall[WatchEventsRequest, object]]:
    """Open a stream of events; return why it was refused, empty for one that was not, and its call."""
    call = EventServiceStub(channel).WatchEvents(
        WatchEventsRequest(vendor_id=partner.vendor), metadata=(("authorization", f"Token {partner.token}"),)
    )
    try:
        await call.read()
    except grpc.aio.AioRpcError as error:
        return reason_of(error) or error.code().name, call
    return "", call


async def http_stream(client: httpx.AsyncClient, partner: Partner) -> int:
    """Open a stream of Server-Sent Events; return its status."""
    async with client.stream("GET", "/api/events/", params={"vendor": partner.vendor}, headers={"Accept": "text/event-stream"}) as answer:
        return answer.status_code
