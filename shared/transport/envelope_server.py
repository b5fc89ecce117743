"""The receiving side of envelopes: every inner call meets the guards and the handler that a direct call would meet."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import grpc
from charging.transport.v1 import envelope_pb2, envelope_pb2_grpc

from shared.errors import Code, InvalidArgument
from shared.method_table import MethodTable, Servicer
from shared.transport.backend import Answer
from shared.transport.dispatch import dispatch

_LATE = envelope_pb2.InnerResult(
    code=int(Code.DEADLINE_EXCEEDED), details="the call was not finished in time; repeating it with the same key is safe"
)

TRANSPORT_PREFIX = "/charging.transport."


class EnvelopeServicer(envelope_pb2_grpc.EnvelopeServiceServicer):
    """Serves envelopes from the table it is part of; `table` is set once the table is built."""

    table: MethodTable

    async def Dispatch(  # noqa: N802 - the RPC's name
        self, request: envelope_pb2.DispatchRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> envelope_pb2.DispatchResponse:
        """Run the inner calls side by side and return their outcomes in order."""
        calls = request.calls
        if len(calls) > 1:
            self._refuse_unsociable(calls)
        peer = context.peer()
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
        return envelope_pb2.DispatchResponse(results=[_LATE if task in late else _result(task.result()) for task in tasks])

    def _refuse_unsociable(self, calls: Iterable[envelope_pb2.InnerCall]) -> None:
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


def _result(answer: Answer) -> envelope_pb2.InnerResult:
    trailers = [text for entry in answer.trailers.items() for text in entry]
    return envelope_pb2.InnerResult(
        code=answer.code, details=answer.details, trailers=trailers, message=answer.message, status=answer.status
    )
