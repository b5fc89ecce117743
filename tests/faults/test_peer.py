"""The vendor-credit service may be slow, answer twice, or lie: nobody is charged twice or told an untruth, and what is doubtful waits."""

from pathlib import Path

import grpc
import psycopg
import pytest

from tests.cells import change_in_cells, rows_in_cells
from tests.faults.books import check_all_books
from tests.faults.liar import ANSWERS, LIES
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.wired import Wired
from tests.support import wait_until

FAILURES = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.NOT_FOUND)
SET_ASIDE = """
SELECT 1 FROM customer_charge.pending_charges WHERE blocked UNION ALL SELECT 1 FROM customer_charge.pending_reversals WHERE blocked
"""
LET_GO = """
UPDATE customer_charge.pending_charges SET blocked = false WHERE blocked;
UPDATE customer_charge.pending_reversals SET blocked = false WHERE blocked
"""


def let_go(wired: Wired) -> None:
    """Do what a person does who has found the cause: let what was set aside go on (see ARCHITECTURE.md)."""
    with psycopg.connect(wired.stack.choices.admin_url, autocommit=True) as admin:
        if rows_in_cells(admin, SET_ASIDE):
            assert any("set aside" in finding for finding in check_all_books(wired.stack.environment))
        change_in_cells(admin, LET_GO)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_peer_that_answers_nonsense_breaks_no_promise(wired: Wired, server_folder: Path, seed: int) -> None:
    """Every lie, in turn, each told at least once; then the truth."""
    lies = list(LIES)
    liar = wired.liar

    def tell() -> None:
        method, lie = lies.pop()
        before = liar.told[method]
        liar.lies = {method: lie}
        wait_until(lambda: liar.told[method] > before, f"{lie.__name__} to be told")
        liar.be_honest()
        let_go(wired)

    play(
        wired.stack,
        wired.office,
        tell,
        seed=seed,
        history=server_folder / f"lies-{seed}.jsonl",
        charges=200,
        strikes=len(lies),
        per_second=60,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_peer_that_works_twice_or_fails_after_working_breaks_no_promise(wired: Wired, server_folder: Path, seed: int) -> None:
    """The debits and credits are done, done again, and their answer replaced by an error."""
    failures = list(FAILURES)
    liar = wired.liar

    def fail() -> None:
        before = liar.told.copy()
        liar.twice, liar.fail = True, failures.pop()
        wait_until(lambda: all(liar.told[method] > before[method] for method in ANSWERS), "a failure of each to be told")
        liar.be_honest()

    play(
        wired.stack,
        wired.office,
        fail,
        seed=seed,
        history=server_folder / f"fails-{seed}.jsonl",
        charges=150,
        strikes=len(FAILURES),
        per_second=60,
    )
