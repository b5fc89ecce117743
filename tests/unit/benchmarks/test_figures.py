"""Figures, percentiles, tables and pictures."""

import xml.etree.ElementTree as ET
from uuid import UUID

import pytest

from benchmarks.consumption import microseconds_per_charge
from benchmarks.figures import Figure, Line, Row, lines_of
from benchmarks.flame import flame, frames_of
from benchmarks.plot import plot
from benchmarks.settlement import first_id
from benchmarks.statistics import percentile
from benchmarks.table import cpu_table, memory_table, number, table
from shared.uuid7 import Uuid7Sequence

ROW = Row(
    "rest", "REST <256>", (Figure("settled", 3000.0, "/s", "textbook_spread"), Figure("p50", 4.25, "ms")), {"gateway": 120.0, "load": 9.0}
)


@pytest.fixture
def lines() -> list[Line]:
    """Give the lines of one row beside a baseline."""
    return lines_of([ROW], {"textbook_spread": 2000.0})


@pytest.mark.parametrize(("percent", "expected"), [(50, 5), (99, 10), (10, 1), (100, 10)])
def test_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    """The nearest rank is taken, whatever the order of the values."""
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == expected


def test_percentile_of_nothing_is_zero() -> None:
    """A row without such calls has no latency."""
    assert percentile([], 99) == 0.0


def test_a_figure_stands_beside_the_baseline_it_names(lines: list[Line]) -> None:
    """The ratio is ours by theirs, and a figure against nothing has none."""
    assert [(line.baseline, line.ratio) for line in lines] == [("textbook, 20 vendors", 1.5), ("", None)]


def test_a_figure_whose_baseline_was_not_measured_has_no_ratio() -> None:
    """Nothing is made up."""
    assert lines_of([ROW], {})[0].ratio is None


def test_table_shows_each_title_once_and_the_ratio(lines: list[Line]) -> None:
    """The figures of one row stand below each other."""
    text = table(lines)
    assert text.count("REST <256>") == 1
    assert "3,000  /s" in text
    assert "1.50x" in text


def test_memory_table_stands_between_the_first_row_and_the_last() -> None:
    """A system of another row's own is no part of it, nor is a row without memory."""
    first = Row("a", "a", (), details={"memory_mib_before": {"gateway": 60.0}, "memory_mib_after": {"gateway": 70.0}})
    last = Row("b", "b", (), details={"memory_mib_before": {"gateway": 71.0}, "memory_mib_after": {"gateway": 80.0}})
    other = Row("processes_2", "c", (), details={"memory_mib_before": {"gateway": 1.0}, "memory_mib_after": {"gateway": 2.0}})
    assert [line.split()[-2:] for line in memory_table([first, last, other, ROW]).splitlines()[2:]] == [["60.0", "60.0"], ["80.0", "80.0"]]
    assert memory_table([ROW]) == ""


def test_cpu_table_leaves_the_generator_out_of_the_sum() -> None:
    """Load is no cost of the system."""
    assert cpu_table([ROW]).splitlines()[-1].split()[-3:] == ["120", "9.00", "120"]


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1,234"), (99.96, "100.0"), (4.256, "4.26"), (0.0, "0")])
def test_numbers_have_decimals_only_where_they_matter(value: float, text: str) -> None:
    """Large numbers are whole, small ones precise."""
    assert number(value) == text


def test_cpu_time_is_divided_among_the_charges() -> None:
    """A process that started meanwhile counts from zero."""
    assert microseconds_per_charge({"a": 1.0}, {"a": 1.5, "b": 0.1}, 1000) == {"a": pytest.approx(500.0), "b": pytest.approx(100.0)}


def test_plot_is_well_formed_and_escapes_titles(lines: list[Line]) -> None:
    """One bar of ours and one of theirs for the figure that has a textbook beside it."""
    root = ET.fromstring(plot(lines, "a < b"))  # noqa: S314 - our own text
    bars = [element for element in root.iter() if element.tag.endswith("rect") and element.get("height") == "15"]
    widths = [float(bar.get("width", "0")) for bar in bars]
    assert len(widths) == 2
    assert widths[0] / widths[1] == pytest.approx(1.5, abs=0.01)


def test_flame_adds_up_the_samples_of_common_callers() -> None:
    """Stacks that begin alike share their first boxes, and lines that are no stacks are skipped."""
    root = frames_of(["main;work;read 3", "main;work;write 1", "main;rest 4", "garbage"])
    work = root.callees["main"].callees["work"]
    assert (root.samples, work.samples, work.callees["read"].samples) == (8, 4, 3)
    assert "work: 50.0 %" in flame(root, "x")
    ET.fromstring(flame(root, "a & b"))  # noqa: S314 - our own text


def test_first_id_is_below_every_charge_made_from_then_on() -> None:
    """Charges of a row are found by the time in their ids."""
    now_ns = 1_800_000_000_123_000_000
    charge = UUID(int=Uuid7Sequence(lambda: now_ns).next_int())
    assert first_id(now_ns / 1e9) < charge < first_id(now_ns / 1e9 + 0.005)
