"""Credit requests, and the operator's decision about them."""

import click

from charging_cli.commands.parameters import AMOUNT, LIMIT, key_option
from charging_cli.output import show, show_object, show_rows
from charging_cli.session import Command, Group, Session, pass_session

COLUMNS = ("id", "requester", "amount", "status", "created_at", "reason")
STATES = ("pending", "approved", "confirmed", "rejected", "cancelled", "expired")


@click.group(cls=Group)
def request() -> None:
    """Ask for credit."""


@request.command()
@click.argument("vendor", type=int)
@click.argument("amount", type=AMOUNT)
@click.option("--note", help="What to tell whoever decides.")
@click.option("--evidence", metavar="REFERENCE", help="Where the evidence is: the reference of a bank transfer, say.")
@key_option
@pass_session
def submit(session: Session, vendor: int, amount: int, note: str | None, evidence: str | None, key: str) -> None:
    """Ask for AMOUNT of credit (in minor units) for VENDOR."""
    told = {"note": note, "evidence_reference": evidence}
    body = {"requester": vendor, "amount": amount} | {name: value for name, value in told.items() if value}
    show_object(session, session.api().post("/api/vendor/submit-request/", body, key=key)["data"])


@request.command()
@click.argument("request_id", type=int)
@click.option("--reason", default="", help="Why, for the records.")
@pass_session
def cancel(session: Session, request_id: int, reason: str) -> None:
    """Withdraw a pending request."""
    body = {"request_credit_id": request_id} | ({"reason": reason} if reason else {})
    show_object(session, session.api().post("/api/vendor/cancel-request/", body, repeatable=True)["data"])


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
    awaited = answer["status"] == "awaits_second_approval"
    show(session, answer, f"request {request_id} awaits a second approval" if awaited else f"request {request_id} is approved")


@click.command(cls=Command)
@click.argument("request_id", type=int)
@click.option("--reason", required=True, help="Why, for the vendor to read.")
@pass_session
def reject(session: Session, request_id: int, reason: str) -> None:
    """Reject a pending credit request."""
    answer = session.api().post("/api/vendor/reject-request/", {"request_credit_id": request_id, "reason": reason}, repeatable=True)
    show_object(session, answer["data"])
