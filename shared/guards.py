"""Compose the guards of a process: who its callers are, what they may do, and how often."""

from __future__ import annotations  # what is named below only types is not to be imported

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from grpc_interceptor.server import AsyncServerInterceptor
from prometheus_client import CollectorRegistry, Histogram

from shared.admission.gate import Gate, build_gate
from shared.arrival import Arrivals
from shared.auth.authenticator import Authenticator, UnknownKey
from shared.auth.peer_tokens import PeerTokenSource, PeerTokenVerifier, load_public_keys
from shared.auth.trust_state import TrustCopy
from shared.errors import ChargingError
from shared.interceptors.admission import AdmissionInterceptor
from shared.interceptors.arrival import ArrivalInterceptor
from shared.interceptors.authentication import AuthenticationInterceptor
from shared.interceptors.authorization import AuthorizationInterceptor
from shared.interceptors.context import ContextInterceptor
from shared.interceptors.deadline import DeadlineInterceptor
from shared.interceptors.decoding import DecodingInterceptor
from shared.interceptors.error_mapping import ErrorMappingInterceptor
from shared.interceptors.metrics import MetricsInterceptor
from shared.interceptors.roles import RoleInterceptor
from shared.interceptors.validation import ValidationInterceptor
from shared.method_table import MethodTable, Servicer
from shared.scraped_metrics import ScrapedMetrics
from shared.settings import CommonSettings
from shared.streams import StreamGuard
from shared.transport.envelope_server import envelope_servicer

if TYPE_CHECKING:
    from shared.tracing.tracing import Tracing

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
QUEUE_TEXT = "Items that wait for a batch."


def batch_sizes(registry: CollectorRegistry) -> Histogram:
    """Return the metric of all batches of a process."""
    return Histogram("charging_batch_size", "Items that travelled or ran together.", ("batcher",), buckets=BATCH_BUCKETS, registry=registry)


class Guards:
    """The guards of one process of the service `service`."""

    def __init__(
        self,
        settings: CommonSettings,
        service: str,
        trust: TrustCopy,
        registry: CollectorRegistry,
        *,
        metrics: ScrapedMetrics,
        tracing: Tracing | None = None,
    ) -> None:
        """`trust` is this process's copy of the trust state; the caller starts and closes it. `tracing` is None where traces are off."""
        self._settings = settings
        self._registry = registry
        self._tracing = tracing
        self.batch_sizes = batch_sizes(registry)
        self._authenticator = Authenticator(trust, PeerTokenVerifier(load_public_keys(settings.keys_dir), audience=service))
        self._streams = StreamGuard(
            self._authenticator, registry, total_max=settings.streams_max, principal_max=settings.streams_per_principal_max
        )
        self._envelopes, self._envelope_entry = envelope_servicer()
        self._gate: Gate = build_gate(settings, observe=self.observer("admission"), kind=_gate_kind(tracing))
        metrics.gauge("charging_queue_depth", QUEUE_TEXT, lambda: self._gate.waiting, batcher="admission")
        metrics.gauge(
            "charging_redis_trusted",
            "1 while claims and limits are decided in Redis, 0 while its breaker is open.",
            lambda: self._gate.redis_trusted,
        )

    def observer(self, batcher: str) -> Callable[[int], None]:
        """Return what records the size of each batch of a batcher."""
        return self.batch_sizes.labels(batcher).observe

    def table(self, servicers: Sequence[Servicer]) -> MethodTable:
        """Return every method of the servicers, and the envelope, behind one chain of guards, listed outermost first."""
        chain = [
            ContextInterceptor(log_success=self._settings.log_level == "DEBUG"),
            MetricsInterceptor(self._registry),
            ErrorMappingInterceptor(),
            DeadlineInterceptor(),
            AuthenticationInterceptor(self._authenticator, peers_certified=self._settings.tls is not None),
            RoleInterceptor(),
            *_spans(self._tracing),
            ArrivalInterceptor(Arrivals()),
            DecodingInterceptor(),
            ValidationInterceptor(),
            AuthorizationInterceptor(),
            AdmissionInterceptor(self._gate),
        ]
        self._envelopes.table = MethodTable([*servicers, self._envelope_entry], chain, self._streams)
        return self._envelopes.table

    @property
    def open_streams(self) -> int:
        """Return how many streams are open."""
        return self._streams.open_now

    def end_streams(self) -> None:
        """End all streams softly and open no more: this process leaves. Peers are told to send their envelopes elsewhere."""
        self._streams.end_all()
        self._envelopes.leave()

    def caller_of(self, authorization: str) -> str | None:
        """Return the subject of a token that this process can verify at once, None for any other; `authorization` is the whole header."""
        try:
            return self._authenticator.verify(authorization.partition(" ")[2]).subject
        except (ChargingError, UnknownKey):
            return None

    async def redis_ready(self) -> bool:
        """Tell whether the Redis of claims and limits answers."""
        return await self._gate.redis_ready()

    async def close(self) -> None:
        """Conclude what the gate still holds."""
        await self._gate.close()


def _gate_kind(tracing: Tracing | None) -> Callable[..., Gate]:
    if tracing is None:
        return Gate
    from shared.tracing.admission import TracedGate

    return partial(TracedGate, tracing)


def _spans(tracing: Tracing | None) -> list[AsyncServerInterceptor]:
    """Return the layer that makes spans; none where traces are off, so that they cost nothing."""
    if tracing is None:
        return []
    from shared.tracing.interceptor import TracingInterceptor

    return [TracingInterceptor(tracing)]


def peer_tokens(settings: CommonSettings, service: str) -> PeerTokenSource:
    """Return the maker of this process's own tokens. Raises FileNotFoundError when its key is missing from the keys folder."""
    return PeerTokenSource(Path(settings.keys_dir), settings.peer_name or service)
