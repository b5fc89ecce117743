"""Every named crash point: the process that comes there dies, and nothing that was promised is lost, doubled or contradicted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from shared.local.stack import Stack
from tests.faults.crash import CrashFolder, arm
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.system.office import Office

CHARGES = 60
HITS_MAX = 3
"""A point is struck at its first to third time: the batch before it made something to lose."""


class Point(NamedTuple):
    """A crash point that the workload leads to, and the process that is to die there."""

    name: str
    service: str


def both(operation: str, service: str, *, call: bool = False) -> list[Point]:
    """Return the points before and after a COMMIT, or before and after an RPC."""
    moments = ("before_call", "after_call") if call else ("before_commit", "after_commit")
    return [Point(f"{operation}.{moment}", service) for moment in moments]


FIRST_CHARGE = both("LookupVendors", "customer_charge", call=True)
"""Reached by the first charge of each vendor only."""

UNDER_LOAD = [
    *both("Dispatch", "gateway", call=True),
    *both("accept_charges", "customer_charge"),
    Point("hint.before_send", "customer_charge"),
    Point("hint.after_send", "customer_charge"),
    *FIRST_CHARGE,
    *both("DebitVendors", "customer_charge.worker", call=True),
    *both("debit_vendors", "vendor_credit"),
    *both("settle_charges", "customer_charge.worker"),
    *both("submit_credit_request", "vendor_credit"),
    *both("decide_credit_request", "vendor_credit"),
    Point("hint.before_send", "vendor_credit"),
    Point("hint.after_send", "vendor_credit"),
    *both("post_credit", "vendor_credit.worker"),
]
"""The life of a charge and of credit, from the door to the books."""

SWEPT = [
    *both("DebitVendors", "scheduler", call=True),
    *both("settle_charges", "scheduler"),
    *both("post_credit", "scheduler"),
]
"""The same work done by the sweeper, which alone is left when no hint arrives."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", UNDER_LOAD, ids="-".join)
def test_dying_there_under_load_breaks_no_promise(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, point: Point, seed: int
) -> None:
    """One death at the point while partners charge and operators grant credit."""
    hit = 1 if point in FIRST_CHARGE else Random(seed).randint(1, HITS_MAX)
    fallen = arm(stack, crashes, point.name, point.service, hit=hit) if point in FIRST_CHARGE else None

    def crash() -> None:
        (fallen or arm(stack, crashes, point.name, point.service, hit=hit))()

    play(stack, office, crash, seed=seed, history=history_of(server_folder, point, seed), charges=CHARGES, strikes=1)


@contextmanager
def no_hints(stack: Stack) -> Iterator[None]:
    """Take the broker away."""
    stack.engines["broker"].kill()
    yield
    stack.engines["broker"].start()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", SWEPT, ids="-".join)
def test_the_sweeper_dying_there_breaks_no_promise(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, point: Point, seed: int
) -> None:
    """One death of the scheduler in the middle of the work that nobody else does, for the broker is gone."""

    def crash() -> None:
        with no_hints(stack):
            arm(stack, crashes, point.name, point.service)()

    play(stack, office, crash, seed=seed, history=history_of(server_folder, point, seed), charges=CHARGES, strikes=1)


def history_of(folder: Path, point: Point, seed: int) -> Path:
    """Return where the history of a run goes."""
    return folder / f"{point.name}-{point.service}-{seed}.jsonl"
