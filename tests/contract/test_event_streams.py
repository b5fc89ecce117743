"""Streams of events at both doors: nothing lost whoever dies, ended when they must end, and never more than allowed."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import events_pb2, events_pb2_grpc
from charging.identity.v1 import identity_pb2
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb

from services.customer_charge.handlers import events as handler
from shared import streams
from shared.local.valkey import Valkey
from tests.contract.stack import TIMEOUT_SECONDS, Stack, open_stack, reply_of
from tests.contract.test_authorization_matrix import CALLERS, HTTP_STATUS, expected, token_of
from tests.contract.world import VENDORS, World
from tests.databases import DatabaseFactory

WATCH = "/charging.customer_charge.v1.EventService/WatchEvents"
EVENT_STREAM = {"accept": "text/event-stream"}


def watch(stack: Stack, token: str, vendor: int, after: int = 0, **fields: Any) -> Any:
    """Open a stream over gRPC."""
    stub: Any = events_pb2_grpc.EventServiceStub(stack.channels["customer_charge"])
    request = events_pb2.WatchEventsRequest(vendor_id=vendor, after=after, **fields)
    return stub.WatchEvents(request, metadata=(("authorization", f"Token {token}"),))


@asynccontextmanager
async def sse(stack: Stack, token: str, path: str, **headers: str) -> AsyncIterator[httpx.Response]:
    """Open a stream over HTTP."""
    sent = {"authorization": f"Token {token}", **EVENT_STREAM, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with stack.http.stream("GET", path, headers=sent) as answer:
        yield answer


async def blocks(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Yield the blocks of a stream by field; a comment has the empty name."""
    block: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            yield block
            block = {}
        else:
            name, _, value = line.partition(":")
            block[name] = value.removeprefix(" ")


async def new_vendor(world: World, credit: int) -> int:
    """Make a vendor that may charge `credit`."""
    request = vendor_pb.CreateVendorRequest(name=f"Watched {world.number()}", credit_limit=credit)
    return int((await world.call(VENDORS + "CreateVendor", request, world.operator)).data.id)


async def all_closed(world: World) -> None:
    """Wait until the service has seen the end of every stream of earlier tests."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while world.stack.customer_charge.open_streams():  # noqa: ASYNC110 - seen over the wire: there is no event to wait for
            await asyncio.sleep(0.01)


async def charge(world: World, vendor: int, count: int) -> None:
    """Charge a vendor and settle."""
    item = {"vendor_id": vendor, "customer_id": world.shared_customer, "amount": 1}
    items = [charge_pb.BatchItem(**item, idempotency_key=f"{vendor}-{world.number()}") for _ in range(count)]
    method = "/charging.customer_charge.v1.ChargeService/BatchIncreaseCredit"
    await world.call(method, charge_pb.BatchIncreaseCreditRequest(items=items), world.operator)
    await world.stack.settle()


async def test_a_stream_shows_what_is_there_and_then_what_comes(world: World) -> None:
    """The first message comes at once, past events follow, and new ones within a moment."""
    vendor = await new_vendor(world, 100)
    await charge(world, vendor, 3)
    stream = watch(world.stack, world.operator, vendor, after=1)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        first = await stream.read()
        assert (first.HasField("event"), first.next_after) == (False, 1)
        assert [(await stream.read()).event.seq for _ in range(2)] == [2, 3]
        await charge(world, vendor, 1)
        assert (await stream.read()).event.seq == 4
    stream.cancel()


async def test_a_silent_stream_shows_signs_of_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing comes, or nothing of the wanted types, the stream still says how far it got."""
    monkeypatch.setattr(handler, "SIGN_OF_LIFE_SECONDS", 0.05)
    vendor = await new_vendor(world, 100)
    await charge(world, vendor, 3)
    stream = watch(world.stack, world.operator, vendor, types=[events_pb2.EVENT_TYPE_BALANCE_LOW])
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert [(await stream.read()).next_after for _ in range(3)] == [0, 3, 3]
    stream.cancel()


async def test_server_sent_events_carry_number_type_and_event(world: World) -> None:
    """The data of an event is what the list shows, and Last-Event-ID goes before the query."""
    vendor = await new_vendor(world, 100)
    await charge(world, vendor, 3)
    listed = await world.stack.send("GET", f"/api/events/?vendor={vendor}", world.operator)
    async with asyncio.timeout(TIMEOUT_SECONDS), sse(world.stack, world.operator, f"/api/events/?vendor={vendor}&after=1") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        stream = blocks(answer)
        assert await anext(stream) == {"retry": "1000"}
        assert (await anext(stream))["id"] == "1"
        event = await anext(stream)
        assert (event["id"], event["event"]) == ("2", "charge_succeeded")
        assert httpx.Response(200, text=event["data"]).json() == listed.json()["results"][1]
    path = f"/api/events/?vendor={vendor}&after=1&types=charge_succeeded"
    async with asyncio.timeout(TIMEOUT_SECONDS), sse(world.stack, world.operator, path, last_event_id="2") as answer:
        stream = blocks(answer)
        assert [(await anext(stream)).get("id") for _ in range(3)] == [None, "2", "3"]


@pytest.mark.parametrize("caller", CALLERS)
async def test_streams_over_http_open_for_whom_the_policy_names(world: World, caller: str) -> None:
    """The matrix of the other methods, for a stream: a refusal is a problem document, before anything is streamed."""
    token = await token_of(world, WATCH, caller)
    outcome = expected(WATCH, caller)
    headers = {"authorization": f"Token {token}", **EVENT_STREAM} if token else EVENT_STREAM
    async with world.stack.http.stream("GET", f"/api/events/?vendor={world.ours.vendor}", headers=headers) as answer:
        assert answer.status_code == HTTP_STATUS.get(outcome, 200)
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "header", "field"),
    [
        ("/api/events/", None, "vendor"),
        ("/api/events/?vendor=x", None, "vendor"),
        ("/api/events/?vendor=1&after=-1", None, "after"),
        ("/api/events/?vendor=1&types=nonsense", None, "types"),
        ("/api/events/?vendor=1&page_size=5", None, "page_size"),
        ("/api/events/?vendor=1", "", "Last-Event-ID"),
        ("/api/events/?vendor=1", "01", "Last-Event-ID"),
        ("/api/events/?vendor=1", "9007199254740992", "after"),
    ],
)
async def test_a_wrong_request_opens_no_stream(world: World, path: str, header: str | None, field: str) -> None:
    """Bad input is named as in any other request."""
    headers = EVENT_STREAM | ({} if header is None else {"last-event-id": header})
    answer = await world.stack.send("GET", path, world.operator, headers=headers)
    assert (answer.status_code, {error["field"] for error in answer.json()["errors"]}) == (400, {field})


async def to_the_end(stream: Any) -> list[Any]:
    """Return the messages of a stream that must end by itself."""
    found = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while (message := await stream.read()) is not grpc.aio.EOF:
            found.append(message)
    return found


async def test_a_revoked_token_ends_its_stream(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may not read any more does not go on reading."""
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    token = await world.fresh_token("paula")
    stream = watch(world.stack, token, world.ours.vendor)
    await stream.read()
    await world.call("/charging.identity.v1.TokenService/RevokeToken", identity_pb2.RevokeTokenRequest(), token)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await to_the_end(stream)
    assert (ended.value.code(), reply_of(ended.value).reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


async def test_a_stream_ends_softly_before_its_deadline(world: World) -> None:
    """A caller with little time gets an end and not an error."""
    stub: Any = events_pb2_grpc.EventServiceStub(world.stack.channels["customer_charge"])
    request = events_pb2.WatchEventsRequest(vendor_id=world.ours.vendor, after=99)
    stream = stub.WatchEvents(request, metadata=(("authorization", f"Token {world.operator}"),), timeout=0.5)
    assert len([message async for message in stream]) == 1
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_caller_has_only_so_many_streams(world: World) -> None:
    """One more than allowed is refused with a reason, at both doors, and a place that is left is free again."""
    most = 20
    await all_closed(world)
    token = world.stack.tokens["sensor"]
    open_streams = [watch(world.stack, token, world.ours.vendor) for _ in range(most)]
    for stream in open_streams:
        await stream.read()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await watch(world.stack, token, world.ours.vendor).read()
    reply = reply_of(refused.value)
    assert (reply.code, reply.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    answer = await world.stack.send("GET", f"/api/events/?vendor={world.ours.vendor}", token, headers=EVENT_STREAM)
    assert (answer.status_code, answer.json()["reason"]) == (429, "TOO_MANY_STREAMS")
    for stream in open_streams:
        stream.cancel()
    await all_closed(world)
    again = watch(world.stack, token, world.ours.vendor)
    assert (await again.read()).next_after == 0
    again.cancel()


async def test_a_client_that_leaves_gives_its_place_back(world: World) -> None:
    """A stream over HTTP ends at the service too when its reader is gone."""
    await all_closed(world)
    async with sse(world.stack, world.operator, f"/api/events/?vendor={world.ours.vendor}"):
        assert world.stack.customer_charge.open_streams() == 1
    await all_closed(world)


async def _read_by_grpc(world: World, vendor: int, seen: list[int]) -> None:
    stream = watch(world.stack, world.operator, vendor, after=seen[-1] if seen else 0)
    try:
        async for message in stream:
            if message.HasField("event"):
                seen.append(message.event.seq)  # noqa: PERF401 - kept one by one, as whoever may be killed must
    finally:
        stream.cancel()


async def _read_by_http(world: World, vendor: int, seen: list[int]) -> None:
    last = str(seen[-1] if seen else 0)
    async with sse(world.stack, world.operator, f"/api/events/?vendor={vendor}", last_event_id=last) as answer:
        async for block in blocks(answer):
            if "data" in block:
                seen.append(int(block["id"]))  # noqa: PERF401 - kept one by one, as whoever may be killed must


async def _read_by_page(world: World, vendor: int, seen: list[int]) -> None:
    while True:
        path = f"/api/events/?vendor={vendor}&after={seen[-1] if seen else 0}&page_size=3"
        answer = await world.stack.send("GET", path, world.operator)
        seen.extend(event["seq"] for event in answer.json()["results"])


@pytest.mark.parametrize("read", [_read_by_grpc, _read_by_http, _read_by_page])
async def test_a_reader_that_is_killed_at_random_misses_nothing(world: World, read: Any) -> None:
    """Killed and opened again where it stopped, a reader sees 1, 2, 3... once each while charges settle."""
    vendor, rng, total = await new_vendor(world, 1_000), random.Random(7), 120
    seen: list[int] = []

    async def produce() -> None:
        for _ in range(total // 4):
            await charge(world, vendor, 4)

    producer = asyncio.create_task(produce())
    async with asyncio.timeout(4 * TIMEOUT_SECONDS):
        while not producer.done() or len(seen) < total:
            reader = asyncio.create_task(read(world, vendor, seen))
            await asyncio.wait({reader}, timeout=0.02 + rng.random() / 10)
            reader.cancel()
            await asyncio.wait({reader})
    await producer
    assert seen == list(range(1, total + 1))


async def test_streams_end_softly_when_the_processes_leave(database_factory: DatabaseFactory, valkey_server: Valkey, tmp_path: Any) -> None:
    """At a drain readers get an end and not an error, within moments, at both doors."""
    databases = database_factory.clone()
    async with open_stack(databases, valkey_server.url, tmp_path, rate_limit_requests=1_000_000, drain_seconds=TIMEOUT_SECONDS) as stack:
        world = World(stack)
        await world.populate()
        by_grpc = watch(stack, world.ours.token, world.ours.vendor)
        await by_grpc.read()
        async with sse(stack, world.ours.token, f"/api/events/?vendor={world.ours.vendor}") as by_http:
            lines = by_http.aiter_lines()
            await anext(lines)
            async with asyncio.timeout(TIMEOUT_SECONDS / 2):
                await stack.gateway.stop()
                rest = [line async for line in lines]
                assert rest
                await stack.customer_charge.stop()
                messages = await to_the_end(by_grpc)
        assert all(message.HasField("event") for message in messages)
        assert await by_grpc.code() is grpc.StatusCode.OK
    database_factory.drop(databases)
