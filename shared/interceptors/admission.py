"""Spend the caller's limit and claim the idempotency key before a call runs. The innermost guard: it meets only calls that are allowed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_interceptor.server import AsyncServerInterceptor

from shared.admission.answers import add_limit_trailers, key_running, over_limit
from shared.admission.asking import ask_of
from shared.admission.asks import Ask, Conclusion, Outcome, Verdict
from shared.admission.gate import Gate
from shared.call import Call, current_call

DONE_MS = 24 * 3600 * 1000
"""How long a finished call's key is known in Redis. After that PostgreSQL alone knows it, which costs a look-up and nothing else."""

SPENT_BY_REPETITION = frozenset({Outcome.REPLAY, Outcome.RUNNING, Outcome.OVER_REPLAY_LIMIT})


class AdmissionInterceptor(AsyncServerInterceptor):
    """Guard every method by the limit and the key that its policy names.

    A known key makes `call.replay` true and the handler runs all the same: PostgreSQL holds the truth about the key, compares the payload
    and gives the object as it is now. Redis only saves work, so it holds no payload and may lose anything at any time.

    A claim says that a handler is at work, nothing more. So it ends with the handler: success marks the key as done, every other end frees
    it, also the ends whose effect is unknown (unavailable, cancelled, deadline, unexpected). Keeping those would answer 409 to the very
    retry that finds out what happened, and would protect nothing: a second handler meets the first one's rows in PostgreSQL, waits for them
    there if their transaction is still open, and then replays or runs. Only a killed process leaves its claim to expire.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def intercept(
        self,
        method: Callable[..., Awaitable[object]],
        request_or_iterator: object,
        context: grpc.aio.ServicerContext[Any, Any],
        method_name: str,
    ) -> object:
        """Serve the call if it may run.

        Raises InvalidArgument for a malformed key, ResourceExhausted over a limit, IdempotencyKeyRunning while the key is held, and
        Overloaded when too many calls wait for their decision.
        """
        call = current_call()
        ask = ask_of(call, request_or_iterator, self._gate.default)
        if ask is None:
            return await method(request_or_iterator, context)
        try:
            verdict = await self._gate.decide(ask)
        except asyncio.CancelledError:
            # The claim may be on its way, or made. Its end travels behind it in the same batches, and frees only what this call claimed.
            if ask.claim_key:
                self._gate.conclude(Conclusion(ask.claim_key, ask.owner, 0))
            raise
        self._apply(verdict, ask, call)
        if not verdict.claimed:
            return await method(request_or_iterator, context)
        done_ms = 0
        try:
            answer = await method(request_or_iterator, context)
            done_ms = DONE_MS
        finally:
            self._gate.conclude(Conclusion(ask.claim_key, ask.owner, done_ms))
        return answer

    def _apply(self, verdict: Verdict, ask: Ask, call: Call) -> None:
        """Put the verdict on the call, or raise its refusal."""
        outcome = verdict.outcome
        if outcome is Outcome.RESUME:
            return
        quota = self._gate.replays if outcome in SPENT_BY_REPETITION else ask.limit
        if quota is not None:
            add_limit_trailers(call.trailers, quota, verdict)
            if outcome in (Outcome.OVER_LIMIT, Outcome.OVER_REPLAY_LIMIT):
                raise over_limit(quota, verdict)
        if outcome is Outcome.RUNNING:
            raise key_running()
        call.replay = outcome is Outcome.REPLAY
