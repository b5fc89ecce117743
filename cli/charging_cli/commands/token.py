"""Tokens: sign in, make tokens for systems, revoke them."""

import sys

import click

from charging_cli.api import Api
from charging_cli.credentials import forget_token, save_token
from charging_cli.output import show, show_object
from charging_cli.session import Group, Session, pass_session


@click.group(cls=Group)
def token() -> None:
    """Sign in and manage tokens."""


@token.command()
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option("--print", "print_token", is_flag=True, help="Print the token instead of keeping it for the next commands.")
@pass_session
def create(session: Session, username: str, password_stdin: bool, print_token: bool) -> None:
    """Sign in as USERNAME."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else click.prompt("Password", hide_input=True, err=True)
    api = Api(session.url, "", trust=session.trust)
    try:
        answer = api.post("/api/auth/token/", {"username": username, "password": password})
    finally:
        api.close()
    if print_token:
        show(session, answer, answer["token"])
        return
    path = save_token(session.url, answer["token"])
    told = {"username": username, "url": session.url, "expires_at": answer["expires_at"], "kept_in": str(path)}
    show(session, told, f"signed in to {session.url} as {username} until {answer['expires_at']}")


@token.command()
@click.argument("user_id", type=int)
@click.option("--label", required=True, help="What the token is for, for people to read.")
@pass_session
def issue(session: Session, user_id: int, label: str) -> None:
    """Make a token for the system of user USER_ID. It is shown once."""
    answer = session.api().post(f"/api/auth/users/{user_id}/token/", {"label": label})
    show_object(session, answer)


@token.command()
@click.option("--jti", default="", help="Id of the token; without it, the one in use is revoked.")
@pass_session
def revoke(session: Session, jti: str) -> None:
    """Revoke a token for good."""
    session.api().post("/api/auth/token/revoke/", {"jti": jti} if jti else {}, repeatable=True)
    if not jti:
        forget_token(session.url)
    show(session, {"revoked": jti or "own"}, "revoked")
