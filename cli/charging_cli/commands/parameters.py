"""Options that several commands have."""

from uuid import uuid4

import click

LIMIT = click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most lines to show.")

AMOUNT = click.IntRange(1, 10**12)
"""Amounts are whole minor units, as everywhere in the API."""

key_option = click.option(
    "--key",
    default=lambda: f"cli-{uuid4()}",
    show_default="a new one",
    help="Idempotency key. Give one of your own where you might repeat the command: the same key has one effect.",
)
