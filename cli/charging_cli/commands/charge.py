"""Charges."""

from typing import Any

import click

from charging_cli.commands.parameters import AMOUNT, LIMIT, key_option
from charging_cli.failures import REFUSED, Unreachable
from charging_cli.output import show, show_object, show_rows
from charging_cli.session import Command, Group, Session, pass_session

COLUMNS = ("id", "vendor", "customer", "amount", "status", "created_at")
REVERSAL_COLUMNS = ("id", "charge", "amount", "status", "created_at", "reason")
WAIT_SECONDS_MAX = 30

wait_option = click.option(
    "--wait",
    type=click.IntRange(0, WAIT_SECONDS_MAX),
    default=10,
    show_default=True,
    help="Seconds to wait for the outcome; 0 returns as soon as it is accepted.",
)


@click.command(cls=Command)
@click.argument("vendor", type=int)
@click.argument("customer", type=int)
@click.argument("amount", type=AMOUNT)
@wait_option
@click.option("--external-id", help="Your own name for the charge, to find it by.")
@click.option(
    "--metadata", "notes", multiple=True, metavar="NAME=VALUE", help="A note to keep with the charge; may be given more than once."
)
@click.option("--allow-duplicate", is_flag=True, help="Charge although the vendor's duplicate window would refuse it.")
@click.option("--dry-run", is_flag=True, help="Check everything and charge nothing.")
@key_option
@click.pass_context
def charge(
    context: click.Context,
    vendor: int,
    customer: int,
    amount: int,
    wait: int,
    external_id: str | None,
    notes: tuple[str, ...],
    allow_duplicate: bool,
    dry_run: bool,
    key: str,
) -> None:
    """Charge CUSTOMER: AMOUNT (in minor units) moves from VENDOR to the customer."""
    session = context.ensure_object(Session)
    more = {"external_id": external_id, "metadata": _metadata(notes), "allow_duplicate": allow_duplicate, "dry_run": dry_run}
    body = {"vendor": vendor, "customer": customer, "amount": amount} | {name: value for name, value in more.items() if value}
    answer = _post(session, "/api/customer/increase-credit/", body, key, wait)
    if dry_run:
        show(session, answer, "nothing speaks against this charge; nothing was charged")
        return
    _show_outcome(context, session, answer["data"], key)


def _metadata(notes: tuple[str, ...]) -> dict[str, str]:
    pairs = [note.partition("=") for note in notes]
    if any(not mark for _, mark, _ in pairs):
        raise click.UsageError("--metadata takes NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _post(session: Session, path: str, body: dict[str, Any], key: str, wait: int) -> dict[str, Any]:
    """Write with a key; when no answer comes, tell how to find out what happened."""
    try:
        return session.api().post(path, body, key=key, headers={"Prefer": f"wait={wait}"} if wait else {})
    except Unreachable as failure:
        advice = f"The outcome is unknown. Repeat the command with --key {key}: it has one effect."
        raise Unreachable(f"{failure.message}\n{advice}") from None


def _show_outcome(context: click.Context, session: Session, data: dict[str, Any], key: str) -> None:
    show_object(session, {**data, "idempotency_key": key})
    if data["status"] == "failed":
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


@charges.command("show")
@click.argument("charge_id")
@pass_session
def show_charge(session: Session, charge_id: str) -> None:
    """Show a charge."""
    show_object(session, session.api().get(f"/api/customer/charges/{charge_id}/")["data"])


@charges.command()
@click.argument("charge_id")
@click.option("--amount", type=AMOUNT, help="How much to take back; without it, all that is left of the charge.")
@click.option("--reason", required=True, help="Why, for people to read.")
@wait_option
@key_option
@click.pass_context
def reverse(context: click.Context, charge_id: str, amount: int | None, reason: str, wait: int, key: str) -> None:
    """Take a charge back, in whole or in part."""
    session = context.ensure_object(Session)
    body: dict[str, Any] = {"reason": reason} | ({"amount": amount} if amount is not None else {})
    _show_outcome(context, session, _post(session, f"/api/customer/charges/{charge_id}/reverse/", body, key, wait)["data"], key)


@charges.command()
@click.option("--vendor", type=int, help="Only reversals of this vendor's charges.")
@click.option("--charge", help="Only reversals of this charge.")
@LIMIT
@pass_session
def reversals(session: Session, vendor: int | None, charge: str | None, limit: int) -> None:
    """List reversals, newest first."""
    show_rows(session, session.api().pages("/api/customer/reversals/", {"vendor": vendor, "charge": charge}, limit), REVERSAL_COLUMNS)


@charges.command()
@click.argument("vendor", type=int)
@click.argument("key")
@pass_session
def resolve(session: Session, vendor: int, key: str) -> None:
    """Find out for certain what became of VENDOR's idempotency KEY.

    Shows the charge, or `sealed`: nothing was charged, and nothing ever will be with this key.
    """
    body = {"vendor": vendor, "idempotency_key": key}
    show_object(session, session.api().post("/api/customer/charges/resolve/", body, repeatable=True)["data"])
