"""The table of a run, as plain text."""

from collections.abc import Sequence

from benchmarks.figures import Line, Row

HEADER = ("", "figure", "ours", "", "beside", "", "ratio")
RIGHT = {2, 5, 6}
DECIMALS_BELOW = 100
"""Smaller numbers are shown with decimals."""

OTHER_SYSTEMS = frozenset({"processes_2", "cells_4"})
"""Rows with a system of their own, whose memory does not go on from that of the rows before."""


def table(lines: Sequence[Line]) -> str:
    """Return the table of all figures."""
    cells = [HEADER]
    shown = ""
    for line in lines:
        title, shown = ("" if line.title == shown else line.title), line.title
        beside = "" if line.baseline_value is None else number(line.baseline_value)
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}x"
        cells.append((title, line.label, number(line.value), line.unit, line.baseline, beside, ratio))
    return aligned(cells, RIGHT)


def cpu_table(rows: Sequence[Row]) -> str:
    """Return what one settled charge cost each process in microseconds of processor time, a row each."""
    measured = [row for row in rows if row.cpu_us]
    names = sorted({name for row in measured for name in row.cpu_us})
    cells = [("CPU microseconds per charge", *names, "all")]
    for row in measured:
        without_load = sum(value for name, value in row.cpu_us.items() if name != "load")
        cells.append((row.title, *(number(row.cpu_us.get(name, 0.0)) for name in names), number(without_load)))
    return aligned(cells, set(range(1, len(names) + 2)))


def memory_table(rows: Sequence[Row]) -> str:
    """Return the memory of each process in MiB before the first and after the last row that the first system ran."""
    measured = [row for row in rows if "memory_mib_before" in row.details and row.name not in OTHER_SYSTEMS]
    if not measured:
        return ""
    before, after = measured[0].details["memory_mib_before"], measured[-1].details["memory_mib_after"]
    names = sorted(before)
    cells = [("Memory in MiB", *names, "all")]
    for moment, found in (("before the first row", before), ("after the last row", after)):
        cells.append((moment, *(number(found.get(name, 0.0)) for name in names), number(sum(found.values()))))
    return aligned(cells, set(range(1, len(names) + 2)))


def aligned(cells: Sequence[Sequence[str]], right: set[int]) -> str:
    """Return the cells in columns, those in `right` flush right."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    lines.insert(1, "-" * max(len(line.rstrip()) for line in lines))
    return "\n".join(line.rstrip() for line in lines)


def number(value: float) -> str:
    """Return a number for reading: thousands apart, decimals only where they say something."""
    return f"{value:,.0f}" if abs(value) >= DECIMALS_BELOW or value == 0 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"  # noqa: PLR2004
