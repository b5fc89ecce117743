"""Compare a file of one's own charges with what the service has."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from charging_cli.api import Query
from charging_cli.failures import REFUSED, Unreachable
from charging_cli.output import show, table
from charging_cli.session import Command, Session

PATH = "/api/customer/charges/reconcile/"
COLUMNS = ("line", "charge", "idempotency_key", "external_id", "vendor", "customer", "amount", "status", "reversed_amount")
NO_CHARGE = ("refused", "not sent")
"""What `charging bulk` writes of lines that became no charge: there is nothing to compare."""

SHOWN = ("kind", "line", "fields", "first_line", "charge", "your_amount", "our_amount", "your_status", "our_status")
SHOWN_MAX = 50
"""Lines printed for people; all of them are in the file that --output names."""


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--vendor", type=click.IntRange(1), required=True, help="The vendor whose charges are compared.")
@click.option("--from", "start", required=True, metavar="TIME", help="The period begins at this time (RFC 3339).")
@click.option("--to", "end", required=True, metavar="TIME", help="The period ends before this time.")
@click.option("--status", type=click.Choice(["accepted", "succeeded", "failed"]), help="FILE has no charges but those in this state.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write every discrepancy into this CSV file.")
@click.pass_context
def reconcile(context: click.Context, file: Path, vendor: int, start: str, end: str, status: str | None, output: Path | None) -> None:
    """Compare the charges in the CSV FILE with those of the service: only yours, only ours, differing, listed twice.

    The first line of FILE names the columns: charge, idempotency_key or external_id, amount, and if you like customer, status,
    reversed_amount, vendor, line. Other columns are left out, and so are lines of other vendors, so a result of `charging bulk` will do.
    Exit status 1 when there is a discrepancy.
    """
    session = context.ensure_object(Session)
    query: Query = {"vendor": vendor, "from": start, "to": end, "status": status}
    chunks = session.api().upload(PATH, query, prepared(file, vendor), "text/csv", "application/x-ndjson")
    head, *found = _objects(chunks)
    if output is not None:
        _write(output, found)
    summary = {**head["data"], "only_ours": Counter(each["kind"] for each in found)["only_ours"]}
    show(session, {"data": summary, "results": found}, _text(summary, found))
    if found:
        context.exit(REFUSED)


def prepared(path: Path, vendor: int) -> bytes:
    """Return the file as the service takes it: the columns that it knows, the lines of this vendor, each with its number.

    Raises UsageError for what is no CSV; what is wrong with a line is the service's to say.
    """
    text = io.StringIO()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            heading = [name.strip() for name in next(reader, [])]
            kept = [place for place, name in enumerate(heading) if name in COLUMNS]
            if left_out := [name for name in heading if name not in COLUMNS]:
                click.echo(f"note: left out: {', '.join(left_out)}", err=True)
            writer = csv.writer(text)
            names = [heading[place] for place in kept]
            numbered = names if "line" in names else ["line", *names]
            writer.writerow(numbered)
            for number, cells in _lines(reader, heading, vendor):
                row = [cells[place] if place < len(cells) else "" for place in kept]
                writer.writerow(row if "line" in names else [number, *row])
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{path} is no CSV file in UTF-8: {error}") from None
    if not names:
        raise click.UsageError(f"the first line of {path} must name the columns, some of {', '.join(COLUMNS)}")
    return text.getvalue().encode()


def _lines(reader: Any, heading: Sequence[str], vendor: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines to compare with their numbers, and tell how many are left out."""
    others = nothing = 0
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(heading):
            raise click.UsageError(f"line {reader.line_num}: {len(cells)} values under {len(heading)} headings; nothing was compared")
        row = dict(zip(heading, cells, strict=True))
        if row.get("vendor", str(vendor)) not in (str(vendor), ""):
            others += 1
        elif row.get("status") in NO_CHARGE:
            nothing += 1
        else:
            yield reader.line_num, cells
    if others:
        click.echo(f"note: {others} lines of other vendors were left out", err=True)
    if nothing:
        click.echo(f"note: {nothing} lines that became no charge were left out", err=True)


def _objects(chunks: Iterable[bytes]) -> list[dict[str, Any]]:
    lines = b"".join(chunks).splitlines()
    try:
        return [json.loads(line) for line in lines]
    except ValueError:
        raise Unreachable("the answer is not one of this service: is this the right address?") from None


def _write(path: Path, found: Sequence[dict[str, Any]]) -> None:
    names = list(dict.fromkeys([*SHOWN, *(name for each in found for name in each)]))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([[_cell(each.get(name, "")) for name in names] for each in found])


def _cell(value: Any) -> Any:
    """Return a cell that a spreadsheet will not run as a formula."""
    if isinstance(value, list):
        return " ".join(value)
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ")[:1] in tuple("=+-@\t\r") else value


def _text(summary: dict[str, Any], found: Sequence[dict[str, Any]]) -> str:
    names = ("rows", "matched", "differing", "only_yours", "only_ours", "duplicates")
    text = table([[summary[name] for name in names]], names)
    if not found:
        return f"{text}\n\nboth say the same"
    more = f"\nand {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
    return f"{text}\n\n{table([[each.get(name) for name in SHOWN] for each in found[:SHOWN_MAX]], SHOWN)}{more}"
