"""Credit requests, and the operator's decision about them."""

import click

from charging_cli.commands.parameters import AMOUNT, LIMIT, key_option
from charging_cli.output import show, show_object, show_rows
from charging_cli.session import Command, Group, Session, pass_session

COLUMNS = ("id", "requester", "amount", "status", "created_at", "reason")
STATES = ("pending", "approved", "confirmed", "rejected")


@click.group(cls=Group)
def request() -> None:
    """Ask for credit."""


@request.command()
@click.argument("vendor", type=int)
@click.argument("amount", type=AMOUNT)
@key_option
@pass_session
def submit(session: Session, vendor: int, amount: int, key: str) -> None:
    """Ask for AMOUNT of credit (in minor units) for VENDOR."""
    answer = session.api().post("/api/vendor/submit-request/", {"requester": vendor, "amount": amount}, key=key)
    show_object(session, answer["data"])


@request.command("list")
@click.option("--vendor", type=int, help="Only requests of this vendor.")
@click.option("--status", type=click.Choice(STATES), help="Only requests in this state.")
@LIMIT
@pass_session
def list_requests(session: Session, vendor: int | None, status: str | None, limit: int) -> None:
    """List requests, newest first."""
    show_rows(session, session.api().pages("/api/vendor/requests/", {"vendor": vendor, "status": status}, limit), COLUMNS)


@request.command("show")
@click.argument("request_id", type=int)
@pass_session
def show_request(session: Session, request_id: int) -> None:
    """Show a request."""
    show_object(session, session.api().get(f"/api/vendor/requests/{request_id}/")["data"])


@click.command(cls=Command)
@click.argument("request_id", type=int)
@pass_session
def approve(session: Session, request_id: int) -> None:
    """Approve a pending credit request."""
    answer = session.api().post("/api/vendor/approve-request/", {"request_credit_id": request_id}, repeatable=True)
    show(session, answer, f"request {request_id} is approved")


@click.command(cls=Command)
@click.argument("request_id", type=int)
@click.option("--reason", required=True, help="Why, for the vendor to read.")
@pass_session
def reject(session: Session, request_id: int, reason: str) -> None:
    """Reject a pending credit request."""
    answer = session.api().post("/api/vendor/reject-request/", {"request_credit_id": request_id, "reason": reason}, repeatable=True)
    show_object(session, answer["data"])
