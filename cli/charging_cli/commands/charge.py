"""Charges."""

import click

from charging_cli.commands.parameters import AMOUNT, LIMIT, key_option
from charging_cli.failures import REFUSED, Unreachable
from charging_cli.output import show_object, show_rows
from charging_cli.session import Command, Group, Session, pass_session

COLUMNS = ("id", "vendor", "customer", "amount", "status", "created_at")
WAIT_SECONDS_MAX = 30


@click.command(cls=Command)
@click.argument("vendor", type=int)
@click.argument("customer", type=int)
@click.argument("amount", type=AMOUNT)
@click.option(
    "--wait",
    type=click.IntRange(0, WAIT_SECONDS_MAX),
    default=10,
    show_default=True,
    help="Seconds to wait for the outcome; 0 returns as soon as the charge is accepted.",
)
@key_option
@click.pass_context
def charge(context: click.Context, vendor: int, customer: int, amount: int, wait: int, key: str) -> None:
    """Charge CUSTOMER: AMOUNT (in minor units) moves from VENDOR to the customer."""
    session = context.ensure_object(Session)
    body = {"vendor": vendor, "customer": customer, "amount": amount}
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    try:
        answer = session.api().post("/api/customer/increase-credit/", body, key=key, headers=headers)
    except Unreachable as failure:
        advice = f"The outcome is unknown. Repeat the command with --key {key}: it has one effect."
        raise Unreachable(f"{failure.message}\n{advice}") from None
    show_object(session, {**answer["data"], "idempotency_key": key})
    if answer["data"]["status"] == "failed":
        context.exit(REFUSED)


@click.group(cls=Group)
def charges() -> None:
    """Show charges."""


@charges.command("list")
@click.option("--vendor", type=int, help="Only charges of this vendor.")
@click.option("--customer", type=int, help="Only charges to this customer.")
@click.option("--status", type=click.Choice(["accepted", "succeeded", "failed"]), help="Only charges in this state.")
@click.option("--from", "start", metavar="TIME", help="Only charges accepted at or after this time (RFC 3339).")
@click.option("--to", "end", metavar="TIME", help="Only charges accepted before this time (RFC 3339).")
@LIMIT
@pass_session
def list_charges(
    session: Session, vendor: int | None, customer: int | None, status: str | None, start: str | None, end: str | None, limit: int
) -> None:
    """List charges, newest first."""
    query = {"vendor": vendor, "customer": customer, "status": status, "from": start, "to": end}
    show_rows(session, session.api().pages("/api/customer/charges/", query, limit), COLUMNS)


@charges.command()
@click.argument("charge_id")
@pass_session
def show(session: Session, charge_id: str) -> None:
    """Show a charge."""
    show_object(session, session.api().get(f"/api/customer/charges/{charge_id}/")["data"])
