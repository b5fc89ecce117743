"""Completion of commands and options in a shell."""

import click
from click.shell_completion import get_completion_class

from charging_cli.session import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    For bash: `source <(charging completion bash)`; put that line into ~/.bashrc to keep it.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, "charging", "_CHARGING_COMPLETE").source())
