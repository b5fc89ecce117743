"""The fixtures of a running stack; the packages whose tests need one import them into their conftest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.local.binaries import EngineMissing
from shared.local.choices import METRICS_PORT_SETTING
from shared.local.ports import free_port, free_range
from shared.local.processes import PROGRAMS
from shared.local.stack import Stack
from tests.support import tool_missing
from tests.system.office import Office
from tests.system.stacks import audit, new_stack


@pytest.fixture(scope="session")
def stack(server_folder: Path) -> Iterator[Stack]:
    """Give a running stack with the demo data; at its end the books are checked once more."""
    try:
        metrics = free_range(free_port(), len(PROGRAMS))
        prepared = new_stack(server_folder / "whole", {METRICS_PORT_SETTING: str(metrics)})
    except EngineMissing as error:
        tool_missing(str(error))
    with prepared as running:
        yield running
        audit(running)


@pytest.fixture(scope="session")
def office(stack: Stack) -> Iterator[Office]:
    """Give the operators' office."""
    opened = Office(stack)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def url(stack: Stack) -> str:
    """Give the address of the HTTP door."""
    return stack.environment["CHARGING_HTTP_URL"]
