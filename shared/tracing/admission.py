"""A span for the wait for the gate's verdict."""

import asyncio
from typing import Any

from shared.admission.asks import Ask, Verdict
from shared.admission.gate import Gate
from shared.tracing.tracing import Tracing


class TracedGate(Gate):
    """A gate whose verdicts on calls of traces that are kept get a span each: the wait for a script call, and the call."""

    def __init__(self, tracing: Tracing, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracing = tracing

    def decide(self, ask: Ask) -> asyncio.Future[Verdict]:
        """Return what is to become of a call, to be awaited. Raises Overloaded."""
        future = super().decide(ask)
        span = self._tracing.begin("admission")
        if span is not None:
            future.add_done_callback(lambda _: span.end())
        return future
