"""An upgrade: the services of the last release on the schema of today, then beside those of today, then gone; clients charge all the while.

`make test-upgrade UPGRADE_FROM=<revision>` upgrades from any revision.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.local.stack import Stack
from tests.faults.client import IMPATIENT, RUNNING
from tests.faults.run import settle
from tests.faults.workload import Workload
from tests.faults.world import make_world
from tests.support import wait_until
from tests.system.earlier_release import check_out, earlier_revision, earlier_services
from tests.system.office import Office
from tests.system.stacks import new_stack, ready

CHARGES = 100
"""In each of the three times: before, beside and after."""

CREDIT = 20_000
PASSING = {"ConnectError", "RemoteProtocolError", "ReadError", "503 TRUST_UNKNOWN", RUNNING, IMPATIENT}
"""A connection that was refused, or closed while it was idle, carried no call; who has just started asks for keys and revocations first."""


ONE_CELL = {"CHARGING_CELLS": "1"}
"""The earlier services may know nothing of cells, and their number never changes."""


@pytest.fixture
def migrated(server_folder: Path) -> Iterator[Stack]:
    """Give a stack of which only the engines run, with the schema of today."""
    stack = new_stack(server_folder / "upgrade", ONE_CELL)
    try:
        stack.start_engines()
        stack.prepare()
        yield stack
    finally:
        stack.stop()


def test_the_last_release_and_this_one_serve_side_by_side(migrated: Stack, server_folder: Path) -> None:
    """The earlier services run on the new schema, both share ports and work, and no promise of either is broken."""
    revision = earlier_revision()
    tree = check_out(revision, server_folder / "earlier")
    url = migrated.environment["CHARGING_HTTP_URL"]
    with ExitStack() as earlier:
        earlier.enter_context(earlier_services(migrated, tree))
        wait_until(lambda: ready(url), "the earlier gateway", seconds=30)
        with closing(Office(migrated)) as office:
            worlds = [make_world(office, credit=CREDIT) for _ in range(2)]
        with Workload(url, worlds[0], server_folder / "upgrade-before.jsonl", seed=1) as before:
            before.wait_answered(CHARGES)
        with Workload(url, worlds[1], server_folder / "upgrade.jsonl", seed=2) as during:
            during.wait_answered(CHARGES // 2)
            migrated.supervision.start()
            migrated.wait_ready()
            during.wait_answered(during.answered + CHARGES)
            earlier.close()
            during.wait_answered(during.answered + CHARGES)
    migrated.wait_ready()
    verdicts = [settle(migrated, each.world, each, datetime.now(UTC)) for each in (before, during)]
    print(f"upgraded from {revision}: {[verdict.charges for verdict in verdicts]} charges")
    assert [verdict.findings for verdict in verdicts] == [[], []]
    assert {line.detail for verdict in verdicts for line in verdict.lines if line.event == "unknown"} <= PASSING
