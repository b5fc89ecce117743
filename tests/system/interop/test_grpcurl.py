"""The operators' script, with real grpcurl."""

import os
import subprocess
from pathlib import Path

import pytest

from shared.local.stack import Stack
from tests.support import require_tool
from tests.system.office import Office
from tests.system.stacks import flush

SCRIPT = Path(__file__).parents[3] / "scripts" / "grpcurl_examples"


@pytest.fixture
def grpcurl() -> str:
    """Give the path of grpcurl."""
    return require_tool("grpcurl")


def test_the_operators_script_runs_to_its_end(grpcurl: str, stack: Stack, office: Office) -> None:
    """Signs in by reflection alone, lists, approves and reads the books."""
    flush(stack)  # earlier tests sign in from this address too
    request = office.post("/api/vendor/submit-request/", {"requester": 1, "amount": 11})["data"]["id"]
    environment = {**os.environ, **stack.environment, "PATH": f"{Path(grpcurl).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own script
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"checked_at"' in done.stdout
    assert office.get(f"/api/vendor/requests/{request}/")["data"]["status"] in ("pending", "approved", "confirmed")
