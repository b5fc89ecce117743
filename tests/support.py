"""What tests of every kind share."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

WAIT_SECONDS = 30.0
"""How long to wait for what takes milliseconds: only a test that fails takes it, and a machine may be that busy."""


def tool_missing(name: str) -> None:
    """Skip the test on a laptop, fail it in CI: there, a missing tool must not pass for a passed test."""
    if os.environ.get("CI"):
        pytest.fail(f"{name} is missing, and CI is set", pytrace=False)
    pytest.skip(f"{name} is missing")


def require_tool(name: str) -> str:
    """Return the path of a program, looked for beside the running Python first; without it, skip or in CI fail."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if path is None:
        tool_missing(name)
        raise AssertionError("unreachable")
    return path


def wait_until(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Return as soon as the condition holds; fail the test, naming `what`, when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s for {what}", pytrace=False)
        time.sleep(0.02)
