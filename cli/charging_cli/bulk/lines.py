"""Reads the file of charges. All of it is checked before anything is sent."""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

LINES_MAX = 1_000_000
"""More belongs into several files: all lines are held in memory, which takes a few hundred bytes each."""

ERRORS_SHOWN_MAX = 20
AMOUNT_MAX = 10**12
ID_MAX = 2**53 - 1
KEY = re.compile(r"[!-~]([ -~]{0,238}[!-~])?")
"""An idempotency key: printable ASCII, no blank at either end; at most 240 of the 255 characters allowed, to leave room for a number."""

COLUMNS = ("vendor", "customer", "amount", "idempotency_key")


@dataclass(frozen=True, slots=True)
class Line:
    """One charge to make. `number` is its line in the file as an editor counts; `key` is unique per vendor."""

    number: int
    vendor: int
    customer: int
    amount: int
    key: str


@dataclass(frozen=True, slots=True)
class ChargeFile:
    """All lines of a file, and `job`: the name that its keys and its journal belong to."""

    lines: list[Line]
    job: str


def read_lines(path: Path, *, vendor: int | None = None, run: str = "") -> ChargeFile:
    """Read a CSV file with a heading: `customer`, `amount`, and `vendor` unless it is given here; `idempotency_key` if there is one.

    Without that column the keys follow from the content of all lines and from `run`: the same content is the same charges, under
    whatever name the file goes, until another `run` says that they are meant once more. Raises UsageError that names every wrong line.
    """
    rows = _rows(path, vendor)
    errors = [error for _, row in rows if isinstance(row, list) for error in row]
    if errors:
        more = f"\n  and {len(errors) - ERRORS_SHOWN_MAX} more" if len(errors) > ERRORS_SHOWN_MAX else ""
        raise click.UsageError(f"{path} has mistakes, nothing was sent:\n  " + "\n  ".join(errors[:ERRORS_SHOWN_MAX]) + more)
    lines = [Line(number, **_numbers(row), key=row.get("idempotency_key", "")) for number, row in rows if not isinstance(row, list)]
    if not lines:
        raise click.UsageError(f"{path} has no charges")
    if lines[0].key:
        _refuse_repeated_keys(path, lines)
        return ChargeFile(lines, "keys of the file")
    content = "".join(f"{line.vendor},{line.customer},{line.amount}\n" for line in lines)
    job = hashlib.sha256(f"{run}\n{content}".encode()).hexdigest()
    keyed = [Line(line.number, line.vendor, line.customer, line.amount, f"bulk-{job[:32]}-{row}") for row, line in enumerate(lines, 1)]
    return ChargeFile(keyed, job)


def _rows(path: Path, vendor: int | None) -> list[tuple[int, dict[str, str] | list[str]]]:
    """Return the number of every line with its values, or with what is wrong with it."""
    try:
        # Spreadsheets put a byte order mark in front; it is not part of the first heading.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            heading = [name.strip().lower() for name in next(reader, [])]
            _check_heading(path, heading, vendor)
            found = list(_checked(reader, heading, vendor))
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{path} is no CSV file in UTF-8: {error}") from None
    if len(found) > LINES_MAX:
        raise click.UsageError(f"{path} has more than {LINES_MAX} charges: split it")
    return found


def _checked(reader: "Iterator[list[str]]", heading: list[str], vendor: int | None) -> Iterator[tuple[int, dict[str, str] | list[str]]]:
    for values in reader:
        number: int = reader.line_num  # type: ignore[attr-defined]  # csv's reader, whose own type has no name
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(heading):
            yield number, [f"line {number}: {len(values)} values under {len(heading)} headings"]
            continue
        row = {name: value.strip() for name, value in zip(heading, values, strict=True) if name in COLUMNS}
        if vendor is not None:
            row["vendor"] = str(vendor)
        errors = list(_errors(number, row))
        yield number, errors or row


def _check_heading(path: Path, heading: list[str], vendor: int | None) -> None:
    missing = [name for name in ("vendor", "customer", "amount") if name not in heading and not (name == "vendor" and vendor is not None)]
    if missing:
        hint = ", or give --vendor" if missing == ["vendor"] else ""
        raise click.UsageError(f"the first line of {path} must name the columns; missing: {', '.join(missing)}{hint}")
    if vendor is not None and "vendor" in heading:
        raise click.UsageError(f"{path} has a column vendor: leave --vendor away")
    repeated = {name for name in heading if name in COLUMNS and heading.count(name) > 1}
    if repeated:
        raise click.UsageError(f"{path} has the column {', '.join(sorted(repeated))} twice")


def _errors(number: int, row: Mapping[str, str]) -> Iterator[str]:
    for name, most in (("vendor", ID_MAX), ("customer", ID_MAX), ("amount", AMOUNT_MAX)):
        text = row[name]
        if not re.fullmatch(r"[0-9]{1,16}", text) or not 1 <= int(text) <= most:
            yield f"line {number}: {name} must be a whole number from 1 to {most}, not {text!r}"
    if "idempotency_key" in row and not KEY.fullmatch(row["idempotency_key"]):
        yield f"line {number}: idempotency_key must be 1 to 240 printable ASCII characters"


def _numbers(row: Mapping[str, str]) -> dict[str, int]:
    return {name: int(row[name]) for name in ("vendor", "customer", "amount")}


def _refuse_repeated_keys(path: Path, lines: list[Line]) -> None:
    first: dict[tuple[int, str], int] = {}
    for line in lines:
        earlier = first.setdefault((line.vendor, line.key), line.number)
        if earlier != line.number:
            raise click.UsageError(f"{path}: line {line.number} has the idempotency_key of line {earlier}; nothing was sent")
