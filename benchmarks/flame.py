"""A flame picture from collapsed stacks (`a;b;c 12` lines, as py-spy writes them raw): width is share of samples, callers on top."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

WIDTH, HEIGHT = 1600, 17
"""Of the picture, and of one level, in pixels."""

NARROWEST = 0.6
"""Pixels below which a frame is left out."""

CHARACTER = 6.6


@dataclass(slots=True)
class Frame:
    """A function in one chain of callers, with the samples in it and below it."""

    name: str
    samples: int = 0
    callees: dict[str, "Frame"] = field(default_factory=dict)


def frames_of(lines: Iterable[str]) -> Frame:
    """Return the tree of all stacks."""
    root = Frame("all")
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if not count.strip().isdecimal():
            continue
        samples = int(count)
        root.samples += samples
        frame = root
        for name in stack.split(";"):
            frame = frame.callees.setdefault(name, Frame(name))
            frame.samples += samples
    return root


def flame(root: Frame, title: str) -> str:
    """Return the picture of a tree, under a title that says what its numbers are."""
    boxes = list(_boxes(root, 0.0, 0, WIDTH / max(root.samples, 1), root.samples))
    height = HEIGHT * (2 + max((depth for depth, _ in boxes), default=0)) + HEIGHT
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="monospace" font-size="11">'
    )
    caption = f'<text x="4" y="13">{escape(title)}</text>'
    return "\n".join([head, caption, *(box for _, box in boxes), "</svg>", ""])


def _boxes(frame: Frame, left: float, depth: int, scale: float, total: int) -> Iterator[tuple[int, str]]:
    width = frame.samples * scale
    if width < NARROWEST:
        return
    top = HEIGHT * (depth + 1)
    color = f"hsl({20 + crc32(frame.name.encode()) % 35}, 85%, 68%)"
    name, room = escape(frame.name), int(width / CHARACTER)
    label = f'<text x="{left + 2:.1f}" y="{top + 12}">{escape(frame.name[:room])}</text>' if room > 3 else ""  # noqa: PLR2004 - fewer say nothing
    share = 100 * frame.samples / max(total, 1)
    box = f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{HEIGHT - 1}" fill="{color}"/>'
    yield depth, f"<g><title>{name}: {share:.1f} %</title>{box}{label}</g>"
    for callee in sorted(frame.callees.values(), key=lambda one: -one.samples):
        yield from _boxes(callee, left, depth + 1, scale, total)
        left += callee.samples * scale
