"""Prints answers: as JSON for programs, as plain columns for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from charging_cli.session import Session

Row = Mapping[str, Any]


def show(session: Session, data: Any, text: str) -> None:
    """Print one answer, in the form that was asked for."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False) if session.as_json else text)


def show_object(session: Session, data: Row) -> None:
    """Print one object, a line for each field that has a value."""
    names = [name for name, value in data.items() if value not in (None, "", [])]
    width = max(map(len, names), default=0)
    show(session, dict(data), "\n".join(f"{name:<{width}}  {_cell(data[name])}" for name in names))


def show_rows(session: Session, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Print a list: whole objects in JSON, the named fields in columns."""
    found = list(rows)
    show(session, found, table([[row.get(column) for column in columns] for row in found], columns) if found else "none")


def table(rows: Sequence[Sequence[Any]], headings: Sequence[str]) -> str:
    """Return aligned columns; numbers stand to the right."""
    texts = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[place]) for line in texts) for place in range(len(headings))]
    numeric = [all(isinstance(row[place], int) or row[place] is None for row in rows) for place in range(len(headings))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if number else text.ljust(width) for text, width, number in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in texts
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(each)}" for name, each in value.items() if each not in (None, ""))
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    # A terminal obeys control characters; a name that somebody else chose must not.
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))
