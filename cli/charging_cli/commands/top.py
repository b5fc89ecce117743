"""The system as it runs."""

import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import click
import httpx

from charging_cli.api import Api
from charging_cli.failures import NOT_SIGNED_IN, REFUSED, Failure, Refused
from charging_cli.session import Command, Session, local_stack_setting
from charging_cli.top.exposition import Samples
from charging_cli.top.figures import Books, Figures, Traffic
from charging_cli.top.screen import lines

PORT_SETTING = "CHARGING_FIRST_METRICS_PORT"
LOCAL_PROCESSES_MAX = 64
"""Ports looked at from the first one on, up to the first that nobody serves."""

METRICS_TIMEOUT_SECONDS = 2.0
CLEAR = "\x1b[H\x1b[2J"
"""Cursor to the top, screen empty (ECMA-48): every terminal knows it."""


@click.command(cls=Command)
@click.option(
    "--metrics", "targets", multiple=True, metavar="URL", help="A process's /metrics; more than once for more. Else the local stack's."
)
@click.option("--interval", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, help="Seconds between two readings.")
@click.option("--once", is_flag=True, help="Take two readings, print the figures between them, and end.")
@click.pass_context
def top(context: click.Context, targets: tuple[str, ...], interval: float, once: bool) -> None:
    """Watch rates, lag, backlog, queues and the books, until Ctrl-C.

    The books need an operator's token; rates need the metrics of the processes. Either is shown without the other. With --json each reading
    is a line of JSON. Exit status 1 with --once when the books are not whole.
    """
    session = context.ensure_object(Session)
    targets = targets or _local_targets()
    api = session.api()
    try:
        before, began = _read(targets), time.monotonic()
        while True:
            time.sleep(interval)
            after, now = _read(targets), time.monotonic()
            figures = Figures(_books(api, needed=not targets), _between(before, after, now - began))
            _show(session, figures, clear=not once)
            if once:
                if figures.books is not None and not figures.books.whole:
                    context.exit(REFUSED)
                return
            before, began = after, now
    except KeyboardInterrupt:
        return


def _between(before: list[str], after: list[str], seconds: float) -> Traffic | None:
    return Traffic.between(Samples(before), Samples(after), seconds, len(after)) if after else None


def _show(session: Session, figures: Figures, *, clear: bool) -> None:
    if session.as_json:
        click.echo(json.dumps(figures.document()))
        return
    terminal = sys.stdout.isatty()
    shown = "\n".join(lines(figures, session.url, time.strftime("%H:%M:%S")))
    click.echo((CLEAR if clear and terminal else "") + shown + ("" if terminal else "\n"))


def _books(api: Api, *, needed: bool) -> Books | None:
    """Return the books; None where this token may not see them. Raises Failure where there is nothing else to show."""
    try:
        return Books.read(api.get("/api/books/", {"recent": "true"})["data"])
    except Refused as refusal:
        if needed or refusal.exit_code != NOT_SIGNED_IN:
            raise
        return None


def _read(targets: Iterable[str]) -> list[str]:
    """Return what each target serves now; one that does not answer is left out, as a process that is just starting."""
    chosen = list(targets)
    if not chosen:
        return []
    with ThreadPoolExecutor(max_workers=min(16, len(chosen))) as threads:
        return [text for text in threads.map(_read_one, chosen) if text]


def _read_one(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=METRICS_TIMEOUT_SECONDS)
    except httpx.InvalidURL:
        raise Failure(f"{url} is no address", 2) from None
    except httpx.TransportError:
        return ""
    return answer.text if answer.is_success else ""


def _local_targets() -> tuple[str, ...]:
    """Return the addresses of the local stack's processes, none where none runs or its metrics are off."""
    first = local_stack_setting(PORT_SETTING)
    if not first.isdigit() or first == "0":
        return ()
    found: list[str] = []
    for port in range(int(first), int(first) + LOCAL_PROCESSES_MAX):
        url = f"http://127.0.0.1:{port}/metrics"
        if not _read_one(url):
            break
        found.append(url)
    return tuple(found)
