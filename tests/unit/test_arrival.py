"""Requests on their way over gRPC: a time for each, turns for those of one caller, and an end for whoever takes no answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from shared import arrival
from shared.arrival import Arrivals, Places
from shared.errors import ChargingError
from shared.interceptors.error_mapping import STATUS_CODES

CALLER = "user:1"


@asynccontextmanager
async def calling(arrivals: Arrivals, *callers: str | None) -> AsyncIterator[list[Any]]:
    """Serve for each caller a method that receives by `arrivals` and answers with what it received; give what opens calls of them."""

    def method_of(caller: str | None) -> Any:
        async def serve(_messages: object, context: Any) -> bytes:
            try:
                return await arrivals.receive(context, caller)
            except ChargingError as error:
                await context.abort(STATUS_CODES[error.code], error.reason)
            raise AssertionError("abort returned")

        return grpc.stream_unary_rpc_method_handler(serve)

    server = grpc.aio.server()
    handlers = {f"Method{number}": method_of(caller) for number, caller in enumerate(callers)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Service", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield [channel.stream_unary(f"/t.Service/{name}") for name in handlers]
    await server.stop(None)


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def outcome(call: Any) -> tuple[grpc.StatusCode, str]:
    """Return code and text of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


async def test_a_request_that_is_there_is_received() -> None:
    """Also an empty one; and the caller's line is gone when nothing of it is left."""
    arrivals = Arrivals()
    async with calling(arrivals, CALLER) as (open_call,):
        for message in (b"request", b""):
            call = open_call()
            await call.write(message)
            assert await call == message
        await until(lambda: not arrivals.lines)


@pytest.mark.parametrize("caller", [CALLER, None], ids=["user", "peer"])
async def test_a_request_that_does_not_come_is_refused_in_time(caller: str | None) -> None:
    """Whoever calls."""
    async with calling(Arrivals(receive_seconds=0.1), caller) as (open_call,):
        assert await outcome(open_call()) == (grpc.StatusCode.DEADLINE_EXCEEDED, "REQUEST_TIMEOUT")


async def test_a_call_without_a_request_is_refused() -> None:
    """It has ended before it began."""
    async with calling(Arrivals(), CALLER) as (open_call,):
        call = open_call()
        await call.done_writing()
        assert await outcome(call) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


async def test_callers_have_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose requests do not come waits for itself: for its turns, and beyond so many calls it is refused at once."""
    monkeypatch.setattr(arrival, "ARRIVING_MAX", 1)
    monkeypatch.setattr(arrival, "UNANSWERED_MAX", 2)
    arrivals = Arrivals(receive_seconds=5)
    async with calling(arrivals, CALLER, "user:2") as (greedy, other):
        slow = greedy()
        await until(lambda: CALLER in arrivals.lines)
        waiting = greedy()
        await waiting.write(b"waiting")
        await until(lambda: arrivals.lines[CALLER].calls == 2)
        assert await outcome(greedy()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        neighbour = other()
        await neighbour.write(b"other")
        assert await neighbour == b"other"
        assert not waiting.done()
        await slow.write(b"slow")
        assert (await slow, await waiting) == (b"slow", b"waiting")


async def test_a_call_that_nobody_ends_is_ended() -> None:
    """The answer of a client that takes none waits no longer than any call may; its place is free again. A stream has its own guard."""
    arrivals = Arrivals(call_seconds_max=0.05)

    class Context:
        async def read(self) -> bytes:
            return b""

    async def serve(*, streaming: bool) -> None:
        context: Any = Context()
        await arrivals.receive(context, CALLER, streaming=streaming)
        await asyncio.Event().wait()

    stream = asyncio.create_task(serve(streaming=True))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(serve(streaming=False))
    await until(lambda: arrivals.lines[CALLER].calls == 1)
    stream.cancel()
    await asyncio.wait({stream})
    await until(lambda: not arrivals.lines)


def test_places_are_given_back() -> None:
    """So many at a time, and no more."""
    places = Places(1)
    for _ in range(2):
        with places.taken() as first, places.taken() as second:
            assert (first, second) == (True, False)
