"""One stack for all fault tests that leave it as they found it, the operators' office in it, and the folder that commands its faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.local.binaries import EngineMissing
from shared.local.stack import Stack
from tests.faults.crash import CrashFolder
from tests.faults.wired import wired
from tests.support import tool_missing
from tests.system.office import Office
from tests.system.stacks import audit, new_stack

__all__ = ["crashes", "nothing_armed", "office", "stack", "url", "wired"]


@pytest.fixture(scope="session")
def crashes(server_folder: Path) -> CrashFolder:
    """Give the folder that the stack's processes watch."""
    return CrashFolder(server_folder / "crashes")


@pytest.fixture(scope="session")
def stack(server_folder: Path, crashes: CrashFolder) -> Iterator[Stack]:
    """Give a running stack whose processes can be told to fail; at its end the books are checked once more."""
    try:
        prepared = new_stack(server_folder / "faults", {"CHARGING_FAULTS_DIR": str(crashes.folder)})
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


@pytest.fixture(autouse=True)
def nothing_armed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no fault behind for the next test."""
    yield
    if "crashes" in request.fixturenames:
        request.getfixturevalue("crashes").disarm()
