"""The books."""

import click

from charging_cli.failures import REFUSED
from charging_cli.output import show_object
from charging_cli.session import Command, Session


@click.command(cls=Command)
@click.pass_context
def books(context: click.Context) -> None:
    """Check the books of the whole system. Exit status 1 when they are not whole."""
    session = context.ensure_object(Session)
    found = session.api().get("/api/books/")["data"]
    show_object(session, found)
    if found["drift"] or found.get("findings"):
        context.exit(REFUSED)
