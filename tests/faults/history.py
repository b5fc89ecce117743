"""What clients wanted, did and were told: one JSON object a line, judged after the run.

- `invoke`: a request is about to be sent; `wanted` is what it asks for. What became of it is open until a later line with its key tells.
- `ok`: an answer; `told` holds what was promised in it, such as the id and the status of a charge.
- `fail`: a refusal that no repetition mends: nothing was done. `detail` holds status and reason.
- `unknown`: no answer, or one that says that the outcome is open; `detail` says which. It is tried again with the same key, or given up:
  then the books must tell.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Self

Event = Literal["invoke", "ok", "fail", "unknown"]
Kind = Literal["charge", "submit", "approve", "reject", "reverse", "resolve", "vendor", "customer", "user", "webhook", "read"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a history; `at` is on the monotonic clock, in seconds. `key` names what is wanted, the same at every try."""

    at: float
    event: Event
    kind: Kind
    key: str
    detail: str = ""
    wanted: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)


class History:
    """What some clients did and were told, in memory and, line by line, in a file. Safe in threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        self._lock = Lock()
        self._file = path.open("w")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the file."""
        self._file.close()

    def add(
        self,
        event: Event,
        kind: Kind,
        key: str,
        *,
        detail: str = "",
        wanted: dict[str, Any] | None = None,
        told: dict[str, Any] | None = None,
    ) -> None:
        """Add a line. It is in the file before this returns, as far as the operating system goes."""
        line = Line(time.monotonic(), event, kind, key, detail, wanted or {}, told or {})
        with self._lock:
            self.lines.append(line)
            self._file.write(json.dumps(asdict(line)) + "\n")
            if event != "invoke":
                self._file.flush()


def read_history(path: Path) -> list[Line]:
    """Return the lines of a history's file."""
    return [Line(**json.loads(text)) for text in path.read_text().splitlines()]


@dataclass(slots=True)
class Story:
    """All that happened to one key: what was asked for (more than one thing, if a key was used again), and what was told."""

    kind: Kind
    key: str
    wanted: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def stories_of(lines: Iterable[Line]) -> list[Story]:
    """Return the lines gathered by kind and key, in order of their first mention."""
    stories: dict[tuple[str, str], Story] = {}
    for line in lines:
        story = stories.setdefault((line.kind, line.key), Story(line.kind, line.key))
        if line.event == "invoke" and line.wanted not in story.wanted:
            story.wanted.append(line.wanted)
        elif line.event == "ok":
            story.told.append(line.told)
        elif line.event == "fail":
            story.refusals.append(line.detail)
        elif line.event == "unknown":
            story.doubts.append(line.detail)
    return list(stories.values())


def count_events(lines: Iterable[Line]) -> dict[str, int]:
    """Return how many lines there are of each event."""
    counts: dict[str, int] = defaultdict(int)
    for line in lines:
        counts[line.event] += 1
    return dict(counts)
