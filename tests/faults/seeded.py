"""Deliberate defects: what each does to the tree, which play shows it, and which invariants must cry.

A bug is a file in `seeded_bugs/`: `says` tells the defect, `play` names one of tests/faults/quick.py, `cries` lists the invariants that it
breaks (`broke` for an operation that stops with an error of its own), and each of `edits` replaces one text that is in its file just once.
`cells` is the number of cells that the database has, where the defect shows only between several.
"""

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.databases import CELLS

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).with_name("seeded_bugs")
COPIED = ("services", "shared", "tests")


class DoesNotApply(Exception):
    """The tree has moved on: the text that a seeded bug replaces is not there once any more."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in one file, named from the root of the tree."""

    file: str
    search: str
    replace: str

    def apply(self, text: str) -> str:
        """Return the text with the replacement made. Raises DoesNotApply."""
        if text.count(self.search) != 1:
            raise DoesNotApply(f"{self.file} holds this {text.count(self.search)} times: {self.search}")
        return text.replace(self.search, self.replace)


@dataclass(frozen=True, slots=True)
class SeededBug:
    """One defect."""

    name: str
    says: str
    play: str
    cries: tuple[str, ...]
    edits: tuple[Edit, ...]
    cells: int

    @property
    def migrates(self) -> bool:
        """Tell whether it spoils a migration, so that it needs a database of its own making."""
        return any(edit.file.endswith(".sql") for edit in self.edits)

    def spoilt(self, tree: Path) -> dict[str, str]:
        """Return the files of a tree that it changes, as they become. Raises DoesNotApply."""
        texts: dict[str, str] = {}
        for edit in self.edits:
            texts[edit.file] = edit.apply(texts.get(edit.file) or (tree / edit.file).read_text())
        return texts


def seeded_bugs() -> list[SeededBug]:
    """Return all of them, by name."""
    return [_read(file) for file in sorted(FOLDER.glob("*.toml"))]


def _read(file: Path) -> SeededBug:
    data = tomllib.loads(file.read_text())
    edits = tuple(Edit(**edit) for edit in data["edits"])
    return SeededBug(file.stem, data["says"], data["play"], tuple(data["cries"]), edits, data.get("cells", CELLS))


def copy_tree(target: Path) -> Path:
    """Copy what a play needs of this tree, and return the copy."""
    for folder in COPIED:
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return target


@contextmanager
def planted(bug: SeededBug, tree: Path) -> Iterator[None]:
    """Spoil a copied tree for a while. Raises DoesNotApply."""
    spoilt = bug.spoilt(tree)
    before = {file: (tree / file).read_text() for file in spoilt}
    _write(tree, spoilt)
    yield
    _write(tree, before)


def _write(tree: Path, texts: dict[str, str]) -> None:
    for file, text in texts.items():
        (tree / file).write_text(text)
        # Python tells a changed file by its size and the second of its change: neither need differ here.
        shutil.rmtree((tree / file).parent / "__pycache__", ignore_errors=True)
