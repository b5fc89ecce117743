"""Count and time every call."""

import time
from typing import Any

import grpc
from grpc_interceptor.server import AsyncServerInterceptor
from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.interceptors.types import Context, Handler

LATENCY_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a cached look-up to the longest ordinary deadline."""


class MetricsInterceptor(AsyncServerInterceptor):
    """Counter `charging_calls_total{method, code}` and histogram `charging_call_seconds{method}`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("charging_calls", "Calls served, by outcome.", ("method", "code"), registry=registry)
        self._seconds = Histogram(
            "charging_call_seconds", "Time to serve a call.", ("method",), buckets=LATENCY_BUCKETS_SECONDS, registry=registry
        )
        self._children: dict[str, tuple[Any, Any]] = {}  # labels() takes a lock and builds a tuple: too dear for each call

    async def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> object:
        """Serve the call and record it."""
        children = self._children.get(method_name)
        if children is None:
            children = self._children[method_name] = (self._calls.labels(method_name, "OK"), self._seconds.labels(method_name))
        succeeded, seconds = children
        started = time.perf_counter()
        try:
            answer = await method(request_or_iterator, context)
        except grpc.aio.AbortError:
            code = context.code()
            self._calls.labels(method_name, code.name if isinstance(code, grpc.StatusCode) else str(code)).inc()
            raise
        else:
            succeeded.inc()
            return answer
        finally:
            seconds.observe(time.perf_counter() - started)
