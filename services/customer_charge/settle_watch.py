"""What is told of each batch that is settled: how old its charges were, how many, and, where traces are on, its spans."""

from __future__ import annotations  # what is named below only types is not to be imported

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.customer_charge.domain.charges import PendingCharge
from shared.clock import unix_now_ns
from shared.guards import batch_sizes
from shared.uuid7 import unix_ms_of

if TYPE_CHECKING:
    from shared.tracing.tracing import BatchSpan, Tracing

LAG_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""From an idle system's lone charge to a database that was away for minutes."""

LOOKED_AT = 16
"""Charges of a batch whose age is told: taken from all of it, evenly, so that their distribution is that of the batch."""


class WatchedBatch:
    """One batch that is being settled; `span` is None where traces are off, and `tell` is called when the batch is final."""

    def __init__(self, pending: Sequence[PendingCharge], span: BatchSpan | None, tell: Callable[[Sequence[PendingCharge]], None]) -> None:
        self._pending, self._span, self._tell = pending, span, tell

    def within(self) -> AbstractContextManager[None]:
        """Return a context for a part of the work on the batch."""
        return nullcontext() if self._span is None else self._span.within()

    def settled(self) -> None:
        """Count the batch, and end its span."""
        if self._span is not None:
            self._span.end()
        self._tell(self._pending)


class SettleWatch:
    """Counts the batches that a process settles, and makes their spans."""

    def __init__(self, registry: CollectorRegistry, tracing: Tracing | None = None) -> None:
        self._tracing = tracing
        self._lag = Histogram(
            "charging_settle_lag_seconds",
            "From accepted to final, of some charges of each batch.",
            buckets=LAG_BUCKETS_SECONDS,
            registry=registry,
        )
        self._settled = Counter("charging_settled_charges", "Charges taken through debit, credit and finish.", registry=registry)
        self._batches = batch_sizes(registry).labels("settle")

    def batch(self, pending: Sequence[PendingCharge]) -> WatchedBatch:
        """Watch the settlement of a batch."""
        self._batches.observe(len(pending))
        return WatchedBatch(pending, self._spans(pending), self._tell)

    def _tell(self, pending: Sequence[PendingCharge]) -> None:
        self._settled.inc(len(pending))
        now_ms = unix_now_ns() // 1_000_000
        for charge in pending[:: -(-len(pending) // LOOKED_AT)]:
            # The time in its id: the door made it when the charge arrived.
            self._lag.observe(max(0, now_ms - unix_ms_of(charge.charge_id)) / 1000)

    def _spans(self, pending: Sequence[PendingCharge]) -> BatchSpan | None:
        if self._tracing is None:
            return None
        from opentelemetry.trace import SpanKind

        parents = self._tracing.charges([charge.charge_id for charge in pending])
        return self._tracing.open_batch("settle", parents, SpanKind.CONSUMER, attributes={"charging.batch_size": len(pending)})
