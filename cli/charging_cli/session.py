"""Which service a command speaks to, as whom, and in which form it answers."""

import os
import shlex
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click

from charging_cli.api import Api
from charging_cli.credentials import saved_token

URL_SETTING = "CHARGING_HTTP_URL"
CA_SETTING = "CHARGING_CA_FILE"
DEFAULT_URL = "http://127.0.0.1:8000"
"""Where `make run` serves."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Session:
    """The choices of one invocation."""

    def __init__(self) -> None:
        self.chosen_url = ""
        self.chosen_token = ""
        self.chosen_ca = ""
        self.as_json = False

    @property
    def url(self) -> str:
        """Return the address in use: the option, CHARGING_HTTP_URL, the local stack's, or the default one. Raises UsageError."""
        url = (self.chosen_url or os.environ.get(URL_SETTING) or local_stack_url() or DEFAULT_URL).rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.UsageError(f"{url} is no http or https address")
        return url

    @property
    def token(self) -> str:
        """Return the token in use: the option, CHARGING_TOKEN, or the one kept at the last sign-in; empty without any."""
        return self.chosen_token or os.environ.get("CHARGING_TOKEN", "") or saved_token(self.url)

    @property
    def trust(self) -> ssl.SSLContext | None:
        """Return what an https address is checked by, None for what this machine trusts. Raises UsageError."""
        path = self.chosen_ca or os.environ.get(CA_SETTING) or local_stack_setting(CA_SETTING)
        if not path:
            return None
        try:
            return ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError) as error:
            raise click.UsageError(f"no certificates can be read from {path}: {error.strerror or type(error).__name__}") from None

    def api(self, *, patience_seconds: float = 30.0, told: Callable[[float, str], None] | None = None) -> Api:
        """Return the door to call, closed when the command ends. Warns of a token that would travel in the clear."""
        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK and self.token:
            click.echo(f"warning: {self.url} is not encrypted, and the token can be read on the way", err=True)
        api = Api(self.url, self.token, trust=self.trust, patience_seconds=patience_seconds, told=told)
        click.get_current_context().call_on_close(api.close)
        return api


def local_stack_url() -> str:
    """Return the address that the local stack of this folder wrote down, empty without one."""
    return local_stack_setting(URL_SETTING)


def local_stack_setting(wanted: str) -> str:
    """Return a setting that the local stack of this folder wrote down, empty without one."""
    path = Path(os.environ.get("CHARGING_STATE_DIR") or ".charging") / "env"
    if not path.is_file():
        return ""
    for line in path.read_text().splitlines():
        name, _, value = line.partition("=")
        if name == wanted:
            return "".join(shlex.split(value))
    return ""


pass_session = click.make_pass_decorator(Session, ensure=True)
"""Give a command the session as its first argument."""


class Command(click.Command):
    """A command that takes the options that all have, after its name too: `charging vendor list --json`."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        self.params += common_options()


class Group(click.Group):
    """A group whose commands take the common options."""

    command_class = Command
    group_class = type


def common_options() -> list[click.Option]:
    """Return the options that every command has."""

    def choose(context: click.Context, parameter: click.Parameter, value: str | bool) -> None:
        if not value:
            return
        session = context.ensure_object(Session)
        if parameter.name == "as_json":
            session.as_json = context.meta["as_json"] = bool(value)
        elif parameter.name == "ca":
            session.chosen_ca = str(value)
        elif parameter.name == "url":
            session.chosen_url = str(value)
        else:
            session.chosen_token = str(value)

    def option(*names: str, **more: object) -> click.Option:
        return click.Option(names, expose_value=False, callback=choose, is_eager=True, **more)  # type: ignore[arg-type]  # as click's own

    return [
        option("--json", "as_json", is_flag=True, help="Answer in JSON, errors too."),
        option("--url", metavar="URL", help=f"Address of the service. Else {URL_SETTING}, the local stack, {DEFAULT_URL}."),
        option("--ca", metavar="FILE", help=f"Certificates (PEM) to check an https address by. Else {CA_SETTING}, what the system trusts."),
        option("--token", metavar="TOKEN", help="Token to use. Else CHARGING_TOKEN, or the one of the last sign-in there."),
    ]
