"""The services of an earlier revision, checked out into a folder and run beside those of today, on the same database and the same ports."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from shared.local.engine import confined
from shared.local.processes import PROGRAMS
from shared.local.stack import Stack
from shared.local.supervision import ROOT
from tests.support import wait_until

UPGRADE_FROM = "UPGRADE_FROM"
"""Environment variable: the revision to upgrade from. Unset: the last release tag, or the parent commit while there is none."""

SAME = "requirements.lock"
"""Where it differs, the old services need an environment of their own."""


def earlier_revision() -> str:
    """Return the revision to upgrade from. Skips the test where there is no history: a shallow clone, or a source archive."""
    if wanted := os.environ.get(UPGRADE_FROM):
        return wanted
    if _git("rev-parse", "--is-inside-work-tree") is None:
        pytest.skip("there is no history here: not a clone")
    last_release = _git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")
    revision = last_release or _git("rev-parse", "--verify", "--quiet", "HEAD^")
    if revision is None:
        pytest.skip("there is no history here: the clone is shallow")
    return revision


def check_out(revision: str, folder: Path) -> Path:
    """Unpack the tree of a revision into a folder. Skips the test if it needs other packages than those of today."""
    archive = _run_git("archive", "--format=tar", revision)
    assert archive.returncode == 0, archive.stderr.decode()
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tree:
        tree.extractall(folder, filter="data")
    if (folder / SAME).read_bytes() != (ROOT / SAME).read_bytes():
        pytest.skip(f"{revision} has other packages ({SAME} differs): upgrade by hand, each with its own environment")
    return folder


@contextmanager
def earlier_services(stack: Stack, tree: Path) -> Iterator[Mapping[str, subprocess.Popen[bytes]]]:
    """Run one process of every program from another tree, with the settings of a stack; give them by name, and end them by SIGTERM."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for program in PROGRAMS:
            own = {f"CHARGING_{service.upper()}_DATABASE_URL" for service in program.databases}
            environment = {
                name: value for name, value in stack.process_environment.items() if not name.endswith("DATABASE_URL") or name in own
            }
            environment |= {"PYTHONPATH": f"{tree}{os.pathsep}{tree / 'shared' / 'stubs'}", "CHARGING_METRICS_PORT": "0"}
            if program.peer:
                environment["CHARGING_PEER_NAME"] = program.peer
            with log_of(stack, program.name).open("wb") as log:
                running[program.name] = subprocess.Popen(  # noqa: S603 - our own, of an earlier day
                    confined("plain", SIGKILL, sys.executable, "-m", program.module), env=environment, cwd=tree, stdout=log, stderr=log
                )
        for name, process in running.items():
            wait_until(partial(serves, stack, name, process), f"the earlier {name}", seconds=60)
        yield running
    finally:
        for process in running.values():
            process.send_signal(SIGTERM)
        for process in running.values():
            process.wait(30)


def log_of(stack: Stack, name: str) -> Path:
    """Return the log of an earlier process."""
    return stack.state / "logs" / f"earlier-{name}.log"


def serves(stack: Stack, name: str, process: subprocess.Popen[bytes]) -> bool:
    """Tell whether an earlier process has begun to serve; fail the test with its words if it has ended instead."""
    words = log_of(stack, name).read_text()
    if process.poll() is not None:
        pytest.fail(f"the earlier {name} ended: {words[-2000:]}", pytrace=False)
    return "serving" in words or "working" in words


def _git(*arguments: str) -> str | None:
    outcome = _run_git(*arguments)
    return outcome.stdout.decode().strip() or None if outcome.returncode == 0 else None


def _run_git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no history here: git is missing")
    return subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - git, on our own tree
