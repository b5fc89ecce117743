"""What became of every line so far, in a file that a crash cannot take back.

One JSON object a line, only ever appended. A line is on the disk before the next charges are sent, so a run that is killed at any moment
knows afterwards what it knew; what was sent and not noted yet is sent again with the same keys. The last line may be torn; it is cut off.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import click

VERSION = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of one line: its state is accepted, succeeded, failed, or refused (no charge was made).

    `attempt` counts the charges that were tried for the line: more than 1 only where a failed one was tried again on request.
    """

    vendor: int
    key: str
    state: str
    attempt: int = 1
    charge_id: str = ""
    created_at: str = ""
    reason: str = ""
    message: str = ""
    replayed: bool = False

    @property
    def final(self) -> bool:
        """Tell whether the charge reached its end."""
        return self.state in ("succeeded", "failed")


class Journal:
    """The journal of one file of charges, locked while it is open. Enter it to read what earlier runs noted."""

    def __init__(self, path: Path, *, job: str, url: str) -> None:
        self._path = path
        self._head = {"journal": VERSION, "job": job, "url": url}
        self._outcomes: dict[tuple[int, str], Outcome] = {}

    def __enter__(self) -> "Journal":
        """Open the journal, or begin it. Raises UsageError for one that is in use or belongs to something else."""
        fresh = not self._path.exists()
        self._file = self._path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise click.UsageError(f"{self._path} is in use: the same file is being charged by another command") from None
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise
        if fresh:
            _flush_folder(self._path.parent)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the journal and let go of it."""
        self._file.close()

    def outcome(self, vendor: int, key: str) -> Outcome | None:
        """Return what is known of a line."""
        return self._outcomes.get((vendor, key))

    def outcomes(self) -> list[Outcome]:
        """Return all that is known."""
        return list(self._outcomes.values())

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Keep outcomes; they are on the disk when this returns."""
        found = list(outcomes)
        self._append([asdict(outcome) for outcome in found])
        self._outcomes.update({(outcome.vendor, outcome.key): outcome for outcome in found})

    def _append(self, objects: list[dict[str, Any]]) -> None:
        if objects:
            self._file.write("".join(f"{json.dumps(each)}\n" for each in objects).encode())
            self._file.flush()
            os.fsync(self._file.fileno())

    def _read(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        lines = whole.splitlines()
        if not lines:
            self._append([self._head])
            return
        try:
            head = json.loads(lines[0])
            outcomes = [Outcome(**json.loads(line)) for line in lines[1:]]
        except (ValueError, TypeError):
            raise click.UsageError(f"{self._path} is no journal of this command; name another with --journal") from None
        self._check(head)
        self._outcomes = {(outcome.vendor, outcome.key): outcome for outcome in outcomes}

    def _check(self, head: dict[str, Any]) -> None:
        if head.get("url") != self._head["url"]:
            raise click.UsageError(f"{self._path} is about {head.get('url')}, not {self._head['url']}; name another with --journal")
        if head.get("job") != self._head["job"]:
            raise click.UsageError(
                f"the file was changed after {self._path} was begun, so its lines cannot be told apart from those charged already. Put the "
                "new lines into a file of their own. To have the same lines charged once more, give --run and another --journal."
            )


def _flush_folder(path: Path) -> None:
    """Make the new name itself durable."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
