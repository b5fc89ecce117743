"""Vendors."""

import click

from charging_cli.commands.parameters import LIMIT, key_option
from charging_cli.output import show_object, show_rows
from charging_cli.session import Group, Session, pass_session

DAY_SECONDS = 86_400

COLUMNS = ("id", "name", "balance", "credit_limit", "available", "suspended")
ENTRY_COLUMNS = ("seq", "created_at", "kind", "amount", "balance_after", "reference")

window_option = click.option(
    "--duplicate-window",
    type=click.IntRange(0, DAY_SECONDS),
    help="Seconds within which a second charge of the same customer and amount is refused; 0: never.",
)
threshold_option = click.option(
    "--low-balance-threshold", type=click.IntRange(0), help="Below this balance, in minor units, the vendor's feed says so; 0: never."
)


@click.group(cls=Group)
def vendor() -> None:
    """Create, show and change vendors."""


@vendor.command()
@click.argument("name")
@click.option("--credit-limit", type=click.IntRange(0), default=0, help="How far below 0 the balance may fall, in minor units.")
@threshold_option
@window_option
@key_option
@pass_session
def create(
    session: Session, name: str, credit_limit: int, low_balance_threshold: int | None, duplicate_window: int | None, key: str
) -> None:
    """Create a vendor called NAME."""
    more = {"low_balance_threshold": low_balance_threshold, "duplicate_window_seconds": duplicate_window}
    body = {"name": name, "credit_limit": credit_limit} | {field: value for field, value in more.items() if value is not None}
    show_object(session, session.api().post("/api/vendor/", body, key=key)["data"])


@vendor.command("list")
@LIMIT
@pass_session
def list_vendors(session: Session, limit: int) -> None:
    """List vendors."""
    show_rows(session, session.api().pages("/api/vendor/", limit=limit), COLUMNS)


@vendor.command()
@click.argument("vendor_id", type=int)
@pass_session
def show(session: Session, vendor_id: int) -> None:
    """Show a vendor with its balance."""
    show_object(session, session.api().get(f"/api/vendor/{vendor_id}/")["data"])


@vendor.command()
@click.argument("vendor_id", type=int)
@click.option("--name", help="New name.")
@click.option("--credit-limit", type=click.IntRange(0), help="New credit limit in minor units.")
@click.option("--suspend/--resume", "suspended", default=None, help="Stop the vendor from charging, or let it charge again.")
@threshold_option
@window_option
@pass_session
def update(
    session: Session,
    vendor_id: int,
    name: str | None,
    credit_limit: int | None,
    suspended: bool | None,
    low_balance_threshold: int | None,
    duplicate_window: int | None,
) -> None:
    """Change a vendor."""
    wanted = {
        "name": name,
        "credit_limit": credit_limit,
        "suspended": suspended,
        "low_balance_threshold": low_balance_threshold,
        "duplicate_window_seconds": duplicate_window,
    }
    body = {field: value for field, value in wanted.items() if value is not None}
    if not body:
        raise click.UsageError(
            "nothing to change: give --name, --credit-limit, --low-balance-threshold, --duplicate-window, --suspend or --resume"
        )
    show_object(session, session.api().patch(f"/api/vendor/{vendor_id}/", body)["data"])


@vendor.command()
@click.argument("vendor_id", type=int)
@click.option("--from", "start", metavar="TIME", help="Only entries at or after this time (RFC 3339).")
@click.option("--to", "end", metavar="TIME", help="Only entries before this time (RFC 3339).")
@LIMIT
@pass_session
def entries(session: Session, vendor_id: int, start: str | None, end: str | None, limit: int) -> None:
    """List the entries of a vendor's ledger, newest first."""
    query = {"from": start, "to": end}
    show_rows(session, session.api().pages(f"/api/vendor/{vendor_id}/entries/", query, limit), ENTRY_COLUMNS)
