"""Metrics that cost nothing until somebody looks: read at each scrape, from what the process counts and holds anyway."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.cells import Cells
from shared.database import Database


@dataclass(slots=True)
class _Family:
    """One metric: its kind, its help text, the names of its labels, and what reads each of its values."""

    kind: type[CounterMetricFamily] | type[GaugeMetricFamily]
    text: str
    labels: tuple[str, ...]
    readers: list[tuple[tuple[str, ...], Callable[[], float]]] = field(default_factory=list)
    tables: list[Callable[[], Mapping[str, float]]] = field(default_factory=list)


class ScrapedMetrics(Collector):
    """Gauges and counters of one process. Readers run on the thread that serves /metrics, so each takes one look and computes nothing.

    Example:
        metrics = ScrapedMetrics(registry)
        metrics.gauge("charging_queue_depth", "Items that wait for a batch.", lambda: batcher.waiting, batcher="accept")
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._families: dict[str, _Family] = {}
        registry.register(self)

    def gauge(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """Show what `read` returns, which may go up and down."""
        self._add(GaugeMetricFamily, name, text, read, labels)

    def counter(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """Show what `read` returns, which only grows. `name` goes without `_total`, which the library adds."""
        self._add(CounterMetricFamily, name, text, read, labels)

    def counters(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Show every count in the table that `read` returns, its key as the label."""
        self._families.setdefault(name, _Family(CounterMetricFamily, text, (label,))).tables.append(read)

    def database(self, database: Database | Cells) -> None:
        """Show the connections of a pool: how many there are, how many are free, and how many callers wait for one."""
        text = "Connections to PostgreSQL."
        self.gauge("charging_pool_connections", text, lambda: database.pool_state()["open"], state="open")
        self.gauge("charging_pool_connections", text, lambda: database.pool_state()["free"], state="free")
        self.gauge("charging_pool_size_max", "Most connections that the pool opens.", lambda: database.pool_state()["max"])
        self.gauge("charging_pool_waiting", "Callers that wait for a connection.", lambda: database.pool_state()["waiting"])

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now."""
        for name, family in self._families.items():
            metric = family.kind(name, family.text, labels=family.labels)
            for values, read in family.readers:
                metric.add_metric(values, read())
            for table in family.tables:
                for value, count in table().items():
                    metric.add_metric((value,), count)
            yield metric

    def _add(
        self,
        kind: type[CounterMetricFamily] | type[GaugeMetricFamily],
        name: str,
        text: str,
        read: Callable[[], float],
        labels: Mapping[str, str],
    ) -> None:
        family = self._families.setdefault(name, _Family(kind, text, tuple(labels)))
        family.readers.append((tuple(labels.values()), read))
