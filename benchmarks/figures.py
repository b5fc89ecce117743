"""What a benchmark tells: figures in rows, each beside the baseline of the same run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BASELINES = {
    "textbook_spread": "textbook, 20 vendors",
    "textbook_hot": "textbook, 1 vendor",
    "bare_commit": "one bare commit",
    "peak": "REST, 256 connections",
    "start": "the same before the fill",
}
"""Names of the baselines, and how the table calls them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `against` names the baseline that it is divided by, empty for none."""

    label: str
    value: float
    unit: str
    against: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one row, what a charge cost each process in microseconds of processor time, and everything else worth keeping."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """A figure beside its baseline, ready to be shown."""

    row: str
    title: str
    label: str
    value: float
    unit: str
    baseline: str
    baseline_value: float | None
    ratio: float | None


def lines_of(rows: list[Row], baselines: Mapping[str, float]) -> list[Line]:
    """Return every figure beside its baseline, where that was measured too."""
    lines = []
    for row in rows:
        for figure in row.figures:
            beside = baselines.get(figure.against)
            ratio = figure.value / beside if beside else None
            name = BASELINES.get(figure.against, "") if beside is not None else ""
            lines.append(Line(row.name, row.title, figure.label, figure.value, figure.unit, name, beside, ratio))
    return lines
