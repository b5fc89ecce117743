"""The system under test: one stack of its own in a temporary folder, with release settings."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.world import World, create_first_operator, create_world
from shared.local.choices import SECRET_NAMES, choose
from shared.local.env_file import keep_secrets
from shared.local.stack import Stack

RELEASE_SETTINGS = {"CHARGING_PROFILE": "production", "CHARGING_LOG_LEVEL": "WARNING", "CHARGING_LOG_FORMAT": "json"}
"""Durable PostgreSQL and every check; a production process writes its log as JSON and does not log every call."""

FIRST_OPERATOR = "first-operator"


class AuditFailed(Exception):
    """The books are not whole, or could not be checked: figures of such a run mean nothing."""


@dataclass(frozen=True, slots=True)
class System:
    """A running stack and who trades in it."""

    stack: Stack
    world: World

    @property
    def environment(self) -> dict[str, str]:
        """Return the addresses and secrets of the stack."""
        return self.stack.environment

    @property
    def http_port(self) -> int:
        """Return the port of the HTTP door."""
        return self.stack.choices.ports["CHARGING_HTTP_PORT"]

    @property
    def charge_address(self) -> str:
        """Return the address of the customer-charge service."""
        return self.environment["CHARGING_CUSTOMER_CHARGE_ADDRESS"]

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return an administrator's connection to the database, for looking on."""
        return psycopg.connect(self.stack.choices.admin_url, autocommit=True)

    def audit(self) -> None:
        """Run `make audit`. Raises AuditFailed with what it says."""
        command = [sys.executable, "-m", "services.customer_charge.audit"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHARGING_")}
        outcome = subprocess.run(  # noqa: S603 - a program of ours
            command, env={**environment, **self.environment}, capture_output=True, text=True, check=False
        )
        if outcome.returncode != 0:
            raise AuditFailed(f"{outcome.stdout.strip()} {outcome.stderr.strip()}"[-2000:])


@contextmanager
def running_system(
    *, vendors: int, customers: int, parent: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[System]:
    """Give a fresh system; afterwards nothing of it is left. The caller's CHARGING_ settings, such as process counts, are in force.

    `parent` is the folder to make the temporary one in; it must be on a real disk for the figures to mean anything. `settings` come before
    the caller's.
    """
    folder = Path(tempfile.mkdtemp(prefix="charging-bench-", dir=parent))
    inherited = {name: value for name, value in os.environ.items() if name.startswith("CHARGING_")}
    choices = choose(
        folder, {**inherited, **(settings or {}), **RELEASE_SETTINGS}, keep_secrets(folder / "secrets", SECRET_NAMES), known_ports=False
    )
    try:
        with Stack(choices) as stack:
            create_first_operator(stack.environment, FIRST_OPERATOR)
            url = stack.environment["CHARGING_HTTP_URL"]
            yield System(stack, asyncio.run(create_world(url, FIRST_OPERATOR, vendors=vendors, customers=customers)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
