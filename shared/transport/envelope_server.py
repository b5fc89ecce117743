"""The receiving side of envelopes: every inner call meets the guards and the handler that a direct call would meet."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import grpc
from charging.transport.v1 import envelope_pb2, envelope_pb2_grpc

from shared.errors import Code, DeadlineExceeded, InvalidArgument
from shared.interceptors.types import Context
from shared.method_table import MethodTable, Servicer
from shared.transport.backend import Answer
from shared.transport.dispatch import dispatch
from shared.transport.served_exchange import ServedExchange, Serving, put_results

_LATE = Answer(int(Code.DEADLINE_EXCEEDED), "the call was not finished in time; repeating it with the same key is safe")

TRANSPORT_PREFIX = "/charging.transport."

EXCHANGE_SECONDS_MAX = 240.0
"""Longest life of a stream of envelopes. Its token was looked at when it was opened, and lives five minutes."""


class EnvelopeServicer(envelope_pb2_grpc.EnvelopeServiceServicer):
    """Serves envelopes from the table it is part of; `table` is set once the table is built."""

    table: MethodTable

    def __init__(self) -> None:
        self._exchanges: dict[ServedExchange, None] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._leaving = False

    async def Dispatch(  # noqa: N802 - the RPC's name
        self, request: envelope_pb2.DispatchRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> envelope_pb2.DispatchResponse:
        """Run the inner calls side by side and return their outcomes in order."""
        response = envelope_pb2.DispatchResponse()
        put_results(response.results, await self._serve(request.calls, context.peer()))
        return response

    async def ExchangeEnvelopes(  # type: ignore[override]  # noqa: N802 - as the guards call it: with what opens the stream, which is empty
        self, opening: envelope_pb2.ExchangeEnvelopesRequest, context: Context
    ) -> None:
        """Serve the envelopes of a stream until its peer sends no more. Raises DeadlineExceeded when that is never."""
        exchange = ServedExchange(self._serve, context)
        self._exchanges[exchange] = None
        if self._leaving:
            await exchange.tell_leaving()
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS_MAX):
                await exchange.run()
        except TimeoutError:
            raise DeadlineExceeded(f"a stream of envelopes is replaced before {EXCHANGE_SECONDS_MAX:g} seconds are over") from None
        finally:
            del self._exchanges[exchange]

    def leave(self) -> None:
        """Ask all peers to send nothing more on the streams that are open: this process leaves. Their last envelopes are still served."""
        self._leaving = True
        for exchange in self._exchanges:
            task = asyncio.ensure_future(exchange.tell_leaving())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def _serve(self, calls: Sequence[envelope_pb2.InnerCall], peer: str) -> Serving:
        """Return what runs inner calls side by side and returns their outcomes in order.

        Raises InvalidArgument for calls that must not travel together.
        """
        if len(calls) == 1:
            return self._serve_alone(calls[0], peer)
        self._refuse_unsociable(calls)
        return self._serve_together(calls, peer)

    async def _serve_together(self, calls: Sequence[envelope_pb2.InnerCall], peer: str) -> list[Answer]:
        begin = asyncio.get_running_loop().create_task
        tasks = [begin(self._run(call, peer)) for call in calls]
        # One timer for all: calls that share an envelope left their door together, with the same time to live. A call with less than the
        # others is refused when it begins, or answered too late for its door to care.
        longest = max(call.timeout_us for call in calls) / 1_000_000
        try:
            _, late = await asyncio.wait(tasks, timeout=longest)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        for task in late:
            task.cancel()
        return [_LATE if task in late else task.result() for task in tasks]

    async def _serve_alone(self, call: envelope_pb2.InnerCall, peer: str) -> list[Answer]:
        """Run the only call of an envelope, in the task that took it out."""
        try:
            async with asyncio.timeout(call.timeout_us / 1_000_000):
                return [await self._run(call, peer)]
        except TimeoutError:
            return [_LATE]

    def _refuse_unsociable(self, calls: Sequence[envelope_pb2.InnerCall]) -> None:
        """Refuse an envelope in which a call that may take long would hold up the others."""
        for index, call in enumerate(calls):
            policy = self.table.policies.get(call.method)
            if policy is not None and not policy.coalesce:
                raise InvalidArgument.of_field(f"calls[{index}].method", f"{call.method} does not share an envelope")

    def _run(self, call: envelope_pb2.InnerCall, peer: str) -> Coroutine[Any, Any, Answer]:
        """Return what serves one call; it begins when it is awaited."""
        if call.method.startswith(TRANSPORT_PREFIX):
            return _refusal("envelopes do not nest")
        if len(call.metadata) % 2:
            return _refusal("metadata is keys and values in turn")
        texts = iter(call.metadata)
        metadata = tuple(zip(texts, texts, strict=True))
        return dispatch(self.table, call.method, call.message, metadata, call.timeout_us / 1_000_000, peer)


async def _refusal(text: str) -> Answer:
    return Answer(int(Code.INVALID_ARGUMENT), text)


def envelope_servicer() -> tuple[EnvelopeServicer, Servicer]:
    """Return the servicer, whose `table` is to be set, and its entry for the table."""
    servicer = EnvelopeServicer()
    return servicer, (envelope_pb2_grpc.add_EnvelopeServiceServicer_to_server, servicer)
