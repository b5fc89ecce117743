"""Count and time every call."""

import time
from bisect import bisect_left
from collections.abc import Iterable

import grpc
from grpc_interceptor.server import AsyncServerInterceptor
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.interceptors.types import Context, Handler

LATENCY_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a cached look-up to the longest ordinary deadline."""


class _Tally:
    """The calls of one method so far."""

    __slots__ = ("by_bucket", "by_code", "seconds")

    def __init__(self) -> None:
        self.by_code: dict[str, int] = {}
        self.by_bucket = [0] * (len(LATENCY_BUCKETS_SECONDS) + 1)
        self.seconds = 0.0

    def add(self, code: str, seconds: float) -> None:
        self.by_code[code] = self.by_code.get(code, 0) + 1
        self.by_bucket[bisect_left(LATENCY_BUCKETS_SECONDS, seconds)] += 1
        self.seconds += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative buckets as Prometheus reads them: up to each limit, and all."""
        total, cumulative = 0, []
        for limit, count in zip((*map(str, LATENCY_BUCKETS_SECONDS), "+Inf"), self.by_bucket, strict=True):
            total += count
            cumulative.append((limit, float(total)))
        return cumulative


class MetricsInterceptor(AsyncServerInterceptor, Collector):
    """Counter `charging_calls_total{method, code}` and histogram `charging_call_seconds{method}`.

    It counts in plain numbers of its own, on the one thread that serves calls, and shows them when they are asked for: the library's
    counters take a lock for each number, which costs more than most guards do.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tallies: dict[str, _Tally] = {}
        registry.register(self)

    async def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> object:
        """Serve the call and record it."""
        started = time.perf_counter()
        code = "CANCELLED"
        try:
            answer = await method(request_or_iterator, context)
            code = "OK"
        except grpc.aio.AbortError:
            status = context.code()
            code = status.name if isinstance(status, grpc.StatusCode) else str(status)
            raise
        finally:
            tally = self._tallies.get(method_name)
            if tally is None:
                tally = self._tallies[method_name] = _Tally()
            tally.add(code, time.perf_counter() - started)
        return answer

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now. Called from the thread that serves /metrics."""
        calls = CounterMetricFamily("charging_calls", "Calls served, by outcome.", labels=("method", "code"))
        seconds = HistogramMetricFamily("charging_call_seconds", "Time to serve a call.", labels=("method",))
        for method, tally in self._tallies.copy().items():
            for code, count in tally.by_code.copy().items():
                calls.add_metric((method, code), count)
            seconds.add_metric((method,), tally.buckets(), tally.seconds)
        return calls, seconds
