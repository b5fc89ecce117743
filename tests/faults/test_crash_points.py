"""Every named crash point: the process that comes there dies, and nothing that was promised is lost, doubled or contradicted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from shared.local.stack import Stack
from tests.faults.crash import CrashFolder, arm
from tests.faults.points import FIRST_CHARGE, SWEPT, UNDER_LOAD, Pair, Point
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.system.office import Office

CHARGES = 90


def deaths(stack: Stack, crashes: CrashFolder, pair: Pair, seed: int) -> Callable[[], None]:
    """Return what lets the process die at the two points of a pair, at one with each call."""
    points = [pair.after, pair.before]
    random = Random(seed)

    def die() -> None:
        point = points.pop()
        arm(stack, crashes, point.name, point.service, hit=random.randint(1, pair.hits_max))()

    return die


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pair", UNDER_LOAD, ids=lambda pair: "-".join(pair.before).replace("before_", ""))
def test_dying_there_under_load_breaks_no_promise(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, pair: Pair, seed: int
) -> None:
    """One death before and one after, while partners charge and reverse, and operators grant credit."""
    history = server_folder / f"{pair.before.name}-{pair.before.service}-{seed}.jsonl"
    play(stack, office, deaths(stack, crashes, pair, seed), seed=seed, history=history, charges=CHARGES, strikes=2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", FIRST_CHARGE[:2], ids=lambda point: point.name)
def test_dying_at_the_first_charge_breaks_no_promise(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, point: Point, seed: int
) -> None:
    """One death where only the first charge of a vendor leads: armed before anybody charges."""
    fallen = arm(stack, crashes, point.name, point.service)
    history = server_folder / f"{point.name}-{point.service}-{seed}.jsonl"
    play(stack, office, fallen, seed=seed, history=history, charges=CHARGES, strikes=1)


@contextmanager
def no_hints(stack: Stack) -> Iterator[None]:
    """Take the broker away."""
    stack.engines["broker"].kill()
    yield
    stack.engines["broker"].start()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pair", SWEPT, ids=lambda pair: pair.before.name.replace(".before", ""))
def test_the_sweeper_dying_there_breaks_no_promise(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, pair: Pair, seed: int
) -> None:
    """Two deaths of the scheduler in the middle of the work that nobody else does, for the broker is gone."""
    die = deaths(stack, crashes, pair, seed)

    def crash() -> None:
        with no_hints(stack):
            die()

    history = server_folder / f"swept-{pair.before.name}-{seed}.jsonl"
    play(stack, office, crash, seed=seed, history=history, charges=CHARGES, strikes=2)
