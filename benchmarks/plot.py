"""The bars of a run as SVG: settled charges a second, ours beside the textbook way."""

from collections.abc import Sequence
from html import escape

from benchmarks.figures import Line
from benchmarks.table import number

WIDTH, LABELS, BAR, GAP, TOP = 860, 290, 16, 14, 64
"""In pixels: the picture, the room for labels, a bar, the gap between two rows, and the room above the first."""

ROOM = 110
"""Right of the longest bar, for its number."""

OURS, THEIRS = "#2563a8", "#b8bec7"


def plot(lines: Sequence[Line], title: str) -> str:
    """Return the picture of every throughput that has a textbook figure beside it."""
    shown = [line for line in lines if line.baseline.startswith("textbook") and line.baseline_value]
    most = max((max(line.value, line.baseline_value or 0.0) for line in shown), default=1.0)
    scale = (WIDTH - LABELS - ROOM) / most
    height = TOP + len(shown) * (2 * BAR + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="16" font-weight="600" fill="#1b1f24">{escape(title)}</text>',
        _key(16, OURS, "this system, settled charges a second"),
        _key(310, THEIRS, "textbook: one transaction per charge, vendor row locked"),
    ]
    for index, line in enumerate(shown):
        top = TOP + index * (2 * BAR + GAP) + GAP // 2
        ratio = f" ({line.ratio:.1f}x)" if line.ratio is not None else ""
        parts.append(f'<text x="{LABELS - 10}" y="{top + BAR + 4}" text-anchor="end" fill="#1b1f24">{escape(line.title)}</text>')
        parts += _bar(top, line.value * scale, OURS, number(line.value) + ratio)
        parts += _bar(top + BAR, (line.baseline_value or 0.0) * scale, THEIRS, number(line.baseline_value or 0.0))
    return "\n".join([*parts, "</svg>", ""])


def _bar(top: float, width: float, color: str, text: str) -> list[str]:
    return [
        f'<rect x="{LABELS}" y="{top}" width="{width:.1f}" height="{BAR - 1}" fill="{color}"/>',
        f'<text x="{LABELS + width + 6:.1f}" y="{top + BAR - 4}" font-size="12" fill="#1b1f24">{escape(text)}</text>',
    ]


def _key(left: int, color: str, text: str) -> str:
    return (
        f'<rect x="{left}" y="40" width="12" height="12" fill="{color}"/>'
        f'<text x="{left + 18}" y="51" font-size="12" fill="#1b1f24">{escape(text)}</text>'
    )
