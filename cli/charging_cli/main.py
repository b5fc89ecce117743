"""Compose the command."""

import click

from charging_cli.commands.books import books
from charging_cli.commands.bulk import bulk
from charging_cli.commands.charge import charge, charges
from charging_cli.commands.completion import completion
from charging_cli.commands.customer import customer
from charging_cli.commands.events import events
from charging_cli.commands.reconcile import reconcile
from charging_cli.commands.request import approve, reject, request
from charging_cli.commands.statement import statement, verify
from charging_cli.commands.token import token
from charging_cli.commands.top import top
from charging_cli.commands.vendor import vendor
from charging_cli.failures import Failure
from charging_cli.session import Group, common_options


class Charging(Group):
    """The command itself; it takes the common options before the name of a command as well."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        self.params += common_options()

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a failure is shown in the form that answers have."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            failure.as_json = bool(ctx.meta.get("as_json"))
            raise


@click.command(cls=Charging, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="charging-cli")
def cli() -> None:
    """Work with prepaid credit: ask for it, approve it, charge customers, check the books.

    Exit status: 0 done; 1 refused, or a charge failed; 2 wrong usage, nothing sent; 3 no answer or limited, try again; 4 not signed in or
    not allowed.
    """


for command in (
    token,
    vendor,
    customer,
    request,
    approve,
    reject,
    charge,
    charges,
    bulk,
    reconcile,
    events,
    statement,
    verify,
    books,
    top,
    completion,
):
    cli.add_command(command)


def main() -> None:
    """Run the command of this process."""
    cli(prog_name="charging")
