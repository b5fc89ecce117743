"""What the live view tells: rates between two readings, and the state at the second."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from charging_cli.top.exposition import Samples, quantile

ACCEPT = "/charging.customer_charge.v1.ChargeService/IncreaseCredit"
OURS = ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED")
"""Outcomes that no caller causes."""


@dataclass(frozen=True, slots=True)
class Books:
    """What the service itself tells of the books; amounts in minor units, ages in seconds."""

    pending: int
    oldest_seconds: float
    blocked: int
    stopped: int
    drift: int
    findings: int

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> "Books":
        """Return the figures in an answer of /api/books/."""
        last = answer.get("last_check") or {}
        return cls(
            pending=answer.get("pending_charges", 0),
            oldest_seconds=answer.get("oldest_pending_ms", 0) / 1000,
            blocked=answer.get("blocked_charges", 0),
            stopped=answer.get("stopped_vendors", 0) + answer.get("stopped_customers", 0),
            drift=last.get("drift", 0),
            findings=len(last.get("findings") or ()),
        )

    @property
    def whole(self) -> bool:
        """Tell whether the money is right, as far as the last check knows."""
        return not (self.blocked or self.stopped or self.drift or self.findings)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the metrics tell, per second and in seconds; None where nothing was seen. `processes` is how many were read."""

    processes: int
    accepted: float
    settled: float
    calls: float
    failed: float
    accept_p50: float | None
    accept_p99: float | None
    settle_p50: float | None
    settle_p99: float | None
    waiting: dict[str, int]
    batch: dict[str, float]
    connections_used: int
    connections_max: int
    connections_waited_for: int
    hints_dropped: float
    webhooks_delivered: float
    webhooks_failed: float
    redis_trusted: bool | None

    @classmethod
    def between(cls, before: Samples, after: Samples, seconds: float, processes: int) -> "Traffic":
        """Return the figures between two readings."""

        def rate(name: str, **labels: str) -> float:
            return max(0.0, after.total(name, **labels) - before.total(name, **labels)) / seconds

        def times(name: str, share: float, **labels: str) -> float | None:
            return quantile(share, before.buckets(name, **labels), after.buckets(name, **labels))

        least = after.least("charging_redis_trusted")
        state = after.by("charging_pool_connections", "state")
        return cls(
            processes=processes,
            accepted=rate("charging_calls_total", method=ACCEPT, code="OK"),
            settled=rate("charging_settled_charges_total"),
            calls=rate("charging_calls_total"),
            failed=sum(rate("charging_calls_total", code=code) for code in OURS),
            accept_p50=times("charging_call_seconds", 0.5, method=ACCEPT),
            accept_p99=times("charging_call_seconds", 0.99, method=ACCEPT),
            settle_p50=times("charging_settle_lag_seconds", 0.5),
            settle_p99=times("charging_settle_lag_seconds", 0.99),
            waiting={name: int(depth) for name, depth in sorted(after.by("charging_queue_depth", "batcher").items())},
            batch=_batches(before, after),
            connections_used=int(state.get("open", 0) - state.get("free", 0)),
            connections_max=int(after.total("charging_pool_size_max")),
            connections_waited_for=int(after.total("charging_pool_waiting")),
            hints_dropped=rate("charging_hints_total", outcome="dropped"),
            webhooks_delivered=rate("charging_webhook_attempts_total", outcome="delivered"),
            webhooks_failed=rate("charging_webhook_attempts_total", outcome="failed"),
            redis_trusted=None if least is None else least == 1,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything; `books` is None for a token that may not see them, `traffic` where no metrics were found."""

    books: Books | None
    traffic: Traffic | None

    def document(self) -> dict[str, Any]:
        """Return the figures as JSON shows them."""
        return asdict(self)


def _batches(before: Samples, after: Samples) -> dict[str, float]:
    """Return the average size of the batches that left between two readings, by batcher."""
    sizes = {}
    for name, batches in sorted(after.by("charging_batch_size_count", "batcher").items()):
        left = batches - before.total("charging_batch_size_count", batcher=name)
        if left > 0:
            items = after.total("charging_batch_size_sum", batcher=name) - before.total("charging_batch_size_sum", batcher=name)
            sizes[name] = round(items / left, 1)
    return sizes
