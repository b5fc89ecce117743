"""Charges from a CSV file."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from charging_cli.api import Api
from charging_cli.bulk.following import follow
from charging_cli.bulk.journal import Journal
from charging_cli.bulk.lines import Line, read_lines
from charging_cli.bulk.results import summary, table_of_summary, write_results
from charging_cli.bulk.sending import Order, Sending
from charging_cli.failures import INTERRUPTED, REFUSED, UNAVAILABLE, Failure, Refused
from charging_cli.output import show
from charging_cli.session import Command, Session

BATCH_MAX = 10_000
NOT_FOUND = 404


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--vendor", type=click.IntRange(1), help="The vendor that pays, for a file without that column.")
@click.option("--run", default="", metavar="NAME", help="Name of this run: the same lines under another name are charged once more.")
@click.option("--retry-failed", is_flag=True, help="Try lines again whose charge failed, each with a new charge.")
@click.option("--batch-size", type=click.IntRange(1, BATCH_MAX), default=2_000, show_default=True, help="Most charges in one request.")
@click.option("--parallel", type=click.IntRange(1, 16), default=2, show_default=True, help="Most requests at a time.")
@click.option("--wait", type=click.IntRange(0), default=60, show_default=True, help="Seconds to wait for outcomes after the last line.")
@click.option("--patience", type=click.IntRange(0), default=300, show_default=True, help="Seconds to bear limits and a silent service.")
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="Where progress is kept. Else FILE.journal.")
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), help="Where results are written. Else FILE.results.csv.")
@click.pass_context
def bulk(
    context: click.Context,
    file: Path,
    vendor: int | None,
    run: str,
    retry_failed: bool,
    batch_size: int,
    parallel: int,
    wait: int,
    patience: int,
    journal: Path | None,
    results: Path | None,
) -> None:
    """Charge every line of the CSV FILE once, however often this is run.

    The first line of FILE names the columns: vendor, customer, amount, and if you like idempotency_key. The whole file is checked before
    anything is sent. Run the command again after any failure, even a kill: lines charged already are not charged again.
    """
    session = context.ensure_object(Session)
    charges = read_lines(file, vendor=vendor, run=run)
    results = results or file.with_name(f"{file.name}.results.csv")
    api = session.api(patience_seconds=patience, told=_tell)
    with Journal(journal or file.with_name(f"{file.name}.journal"), job=charges.job, url=session.url) as notes:
        try:
            orders = orders_of(charges.lines, notes, retry_failed=retry_failed)
            _check_vendors(api, [order.line for order in orders])
            with _bar("charging", len(charges.lines), len(charges.lines) - len(orders)) as advanced:
                Sending(api, notes, batch_size=batch_size, parallel=parallel, advanced=advanced).send(orders)
            with _bar("settling", len(charges.lines), sum(outcome.state != "accepted" for outcome in notes.outcomes())) as settled:
                follow(api, notes, wait_seconds=wait, settled=settled)
        except KeyboardInterrupt:
            raise Failure("stopped; run the same command again to go on", INTERRUPTED) from None
        finally:
            write_results(results, charges.lines, notes)
        found = summary(charges.lines, notes)
    show(session, {"results": str(results), "summary": found}, f"{table_of_summary(found)}\n\nevery line: {results}")
    if found.get("failed") or found.get("refused"):
        context.exit(REFUSED)
    if found.get("accepted") and wait:
        context.exit(UNAVAILABLE)


def orders_of(lines: Sequence[Line], notes: Journal, *, retry_failed: bool) -> list[Order]:
    """Return what is left to send: lines without a charge, and failed ones where they are to be tried again."""
    orders = []
    for line in lines:
        outcome = notes.outcome(line.vendor, line.key)
        if outcome is None:
            orders.append(Order(line))
        elif outcome.state == "refused":
            orders.append(Order(line, outcome.attempt))
        elif outcome.state == "failed" and retry_failed:
            orders.append(Order(line, outcome.attempt + 1))
    return orders


def _check_vendors(api: Api, lines: Sequence[Line]) -> None:
    """Refuse a file with a vendor that the caller may not charge for: the service would refuse whole batches because of it."""
    first: dict[int, int] = {}
    for line in lines:
        first.setdefault(line.vendor, line.number)
    for vendor, number in first.items():
        try:
            api.get(f"/api/vendor/{vendor}/")
        except Refused as refused:
            if refused.status != NOT_FOUND:
                raise
            raise click.UsageError(f"line {number}: there is no vendor {vendor}, or it is not yours; nothing was sent") from None


@contextmanager
def _bar(label: str, length: int, done: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr, and give the function that moves it."""
    with click.progressbar(range(length), label=label, show_pos=True, file=sys.stderr) as bar:
        bar.update(done)
        yield bar.update


def _tell(seconds: float, why: str) -> None:
    if seconds >= 1:
        click.echo(f"\nwaiting {seconds:.0f} s: {why}", err=True)
