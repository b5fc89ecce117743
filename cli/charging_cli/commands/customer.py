"""Customers."""

import click

from charging_cli.commands.parameters import LIMIT
from charging_cli.output import show_object, show_rows
from charging_cli.session import Group, Session, pass_session

COLUMNS = ("id", "phone_number", "balance", "created_at")
ENTRY_COLUMNS = ("created_at", "kind", "amount", "balance_after", "vendor", "reference")


@click.group(cls=Group)
def customer() -> None:
    """Create and show customers."""


@customer.command()
@click.argument("phone_number")
@pass_session
def create(session: Session, phone_number: str) -> None:
    """Create the customer with PHONE_NUMBER (+989120000001), or show the one that has it."""
    answer = session.api().post("/api/customer/", {"phone_number": phone_number}, repeatable=True)
    show_object(session, answer["data"])


@customer.command("list")
@click.option("--phone-number", help="Only the customer with this number.")
@LIMIT
@pass_session
def list_customers(session: Session, phone_number: str | None, limit: int) -> None:
    """List customers."""
    show_rows(session, session.api().pages("/api/customer/", {"phone_number": phone_number}, limit), COLUMNS)


@customer.command()
@click.argument("customer_id", type=int)
@pass_session
def show(session: Session, customer_id: int) -> None:
    """Show a customer."""
    show_object(session, session.api().get(f"/api/customer/{customer_id}/")["data"])


@customer.command()
@click.argument("customer_id", type=int)
@LIMIT
@pass_session
def entries(session: Session, customer_id: int, limit: int) -> None:
    """List the entries of a customer's ledger, newest first."""
    show_rows(session, session.api().pages(f"/api/customer/{customer_id}/entries/", limit=limit), ENTRY_COLUMNS)
