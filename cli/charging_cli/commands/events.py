"""The feed of what happens to a vendor."""

import json
import time
from pathlib import Path
from typing import Any

import click

from charging_cli.failures import INTERRUPTED, Failure
from charging_cli.session import Group, Session, pass_session

POLL_SECONDS = 1.0
PAGE_SIZE = 200
PATIENCE_SECONDS = 300.0
"""Whoever follows a feed wants to outlast a restart of the service."""


@click.group(cls=Group)
def events() -> None:
    """Read what happens to a vendor."""


@events.command()
@click.argument("vendor", type=click.IntRange(1))
@click.option("--after", type=click.IntRange(0), default=0, help="Begin after the event with this number; 0 is the beginning.")
@click.option("--type", "types", multiple=True, help="Only events of this type, for example charge_failed; may be given more than once.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on with events as they come, until Ctrl-C.")
@click.option("--cursor", type=click.Path(dir_okay=False, path_type=Path), help="Keep in this file how far was read, and go on from there.")
@pass_session
def tail(session: Session, vendor: int, after: int, types: tuple[str, ...], follow: bool, cursor: Path | None) -> None:
    """Print the events of VENDOR in order, a line each; with --json as JSON lines.

    With --cursor a run that was stopped goes on where it was: no event is left out, and after a kill the last few may be printed again.
    """
    api = session.api(patience_seconds=PATIENCE_SECONDS)
    after = max(after, _read_cursor(cursor))
    try:
        while True:
            page = api.get("/api/events/", {"vendor": vendor, "after": after, "types": ",".join(types), "page_size": PAGE_SIZE})
            for event in page.get("results", ()):
                click.echo(json.dumps(event, ensure_ascii=False) if session.as_json else _line(event))
            after = page.get("next_after", after)
            _write_cursor(cursor, after)
            if not page.get("has_more"):
                if not follow:
                    return
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        raise Failure(f"stopped after event {after}", INTERRUPTED) from None


def _line(event: dict[str, Any]) -> str:
    about = {name: value for name, value in event.items() if isinstance(value, dict)}
    facts = " ".join(f"{name}={value}" for what in about.values() for name, value in what.items() if not isinstance(value, dict))
    balance = f" vendor_balance={event['vendor_balance']}" if "vendor_balance" in event else ""
    line = f"{event['seq']} {event['created_at']} {event['type']} {facts}{balance}"
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _read_cursor(path: Path | None) -> int:
    if path is None or not path.exists():
        return 0
    text = path.read_text().strip()
    if not text.isdigit():
        raise click.UsageError(f"{path} does not hold the number of an event")
    return int(text)


def _write_cursor(path: Path | None, after: int) -> None:
    """Replace the file in one step, so that a kill leaves the old number or the new one."""
    if path is not None:
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(f"{after}\n")
        draft.replace(path)
