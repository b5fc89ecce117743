"""One round: load, the primary's machine lost in the middle of it, the standby promoted, and the time until charges are accepted again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from shared.local.stack import Stack
from tests.faults.history import Line
from tests.faults.strikes import last
from tests.faults.workload import Pace, Workload
from tests.faults.world import World, make_world
from tests.ha.pair import Pair
from tests.support import wait_until
from tests.system.office import Office
from tests.system.stacks import new_stack

CREDIT = 3_000
CHARGES = 200
PER_SECOND = 100.0
SILENT_SECONDS = 0.4
"""The dying machine's link goes first. What is committed without waiting for the standby in this time is lost with the machine."""

BACK_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Round:
    """What one loss came to: seconds from the kill until the standby was the primary, and until a charge was accepted again."""

    world: World
    work: Workload
    promoted_seconds: float
    recovered_seconds: float


@contextmanager
def stack_on(pair: Pair, folder: Path) -> Iterator[tuple[Stack, Office]]:
    """Run the whole system on a pair of servers."""
    with new_stack(folder, {"DATABASE_URL": pair.url, "CHARGING_PROFILE": "development"}) as stack:
        office = Office(stack)
        yield stack, office
        office.close()


def lose_primary_under_load(pair: Pair, office: Office, history: Path, *, seed: int) -> Round:
    """Play a round, at a moment that the seed chooses. Nobody waits for a detector here: the standby is promoted at once."""
    world = make_world(office, credit=CREDIT)
    moment = Random(seed).randrange(CHARGES // 10, CHARGES // 2)
    with Workload(office.url, world, history, seed=seed, pace=Pace(PER_SECOND)) as work:
        work.wait_answered(moment)
        pair.silence()
        last(SILENT_SECONDS)
        killed_at = time.monotonic()
        pair.lose_primary()
        pair.promote()
        promoted_at = time.monotonic()
        wait_until(lambda: _accepted_after(work.history.lines, promoted_at) is not None, "a charge to be accepted", BACK_SECONDS_MAX)
        work.wait_answered(CHARGES)
    recovered_at = _accepted_after(work.history.lines, promoted_at)
    assert recovered_at is not None
    return Round(world, work, promoted_at - killed_at, recovered_at - killed_at)


def _accepted_after(lines: list[Line], at: float) -> float | None:
    return next((line.at for line in lines if line.at > at and line.event == "ok" and line.kind == "charge"), None)
