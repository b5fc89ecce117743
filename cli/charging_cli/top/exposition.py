"""Reads what processes serve at /metrics (Prometheus text format 0.0.4), and adds the same metric of several processes together."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = frozenset[tuple[str, str]]


class Samples:
    """The values of all processes, by metric and labels; values of the same name and labels are added up, and the least is known too."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._sums: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._least: dict[str, float] = {}
        for text in texts:
            for line in text.splitlines():
                found = None if line.startswith("#") else SAMPLE.fullmatch(line)
                if found is not None:
                    name, labels, value = found.groups()
                    self._add(name, frozenset(LABEL.findall(labels or "")), float(value))

    def _add(self, name: str, labels: Labels, value: float) -> None:
        self._sums[name][labels] += value
        self._least[name] = min(value, self._least.get(name, value))

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all samples that have these labels; 0 where there are none."""
        wanted = set(labels.items())
        return sum(value for found, value in self._sums.get(name, {}).items() if wanted <= found)

    def least(self, name: str) -> float | None:
        """Return the smallest value that a process shows; None where no process shows it."""
        return self._least.get(name)

    def by(self, name: str, label: str, **labels: str) -> Mapping[str, float]:
        """Return the sums of a metric for each value of a label."""
        wanted, sums = set(labels.items()), defaultdict[str, float](float)
        for found, value in self._sums.get(name, {}).items():
            if wanted <= found:
                sums[dict(found).get(label, "")] += value
        return sums

    def buckets(self, name: str, **labels: str) -> dict[float, float]:
        """Return the cumulative buckets of a histogram by their upper limits, in order."""
        return dict(sorted((float(limit), count) for limit, count in self.by(f"{name}_bucket", "le", **labels).items()))


def quantile(share: float, before: Mapping[float, float], after: Mapping[float, float]) -> float | None:
    """Return the limit under which a share of what came between two readings lies, interpolated; None where nothing came."""
    counts = [(limit, count - before.get(limit, 0.0)) for limit, count in after.items()]
    if not counts or counts[-1][1] <= 0:
        return None
    wanted, low, below = share * counts[-1][1], 0.0, 0.0
    for limit, count in counts:
        if count >= wanted:
            if limit == float("inf") or count == below:
                return low
            return low + (limit - low) * (wanted - below) / (count - below)
        low, below = limit, count
    return low
