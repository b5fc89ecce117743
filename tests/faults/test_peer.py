"""The vendor-credit service may be slow, answer twice, or lie: nobody is charged twice or told an untruth, and what is doubtful waits."""

from pathlib import Path

import grpc
import psycopg
import pytest

from tests.cells import change_in_cells, rows_in_cells
from tests.faults.books import check_all_books
from tests.faults.liar import LIES
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.wired import Wired
from tests.support import wait_until

FAILURES = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.NOT_FOUND)
LET_GO = "UPDATE customer_charge.pending_charges SET blocked = false WHERE blocked"


def let_go(wired: Wired) -> None:
    """Do what a person does who has found the cause: let the charges that were set aside go on (see ARCHITECTURE.md)."""
    with psycopg.connect(wired.stack.choices.admin_url, autocommit=True) as admin:
        if rows_in_cells(admin, "SELECT 1 FROM customer_charge.pending_charges WHERE blocked"):
            assert any("set aside" in finding for finding in check_all_books(wired.stack.environment))
        change_in_cells(admin, LET_GO)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_peer_that_answers_nonsense_breaks_no_promise(wired: Wired, server_folder: Path, seed: int) -> None:
    """Every lie, in turn, each told at least once; then the truth."""
    lies = list(LIES)
    liar = wired.liar

    def lie() -> None:
        before = liar.told
        liar.lie = lies.pop()
        wait_until(lambda: liar.told > before, f"{liar.lie.__name__} to be told")
        liar.be_honest()
        let_go(wired)

    play(
        wired.stack,
        wired.office,
        lie,
        seed=seed,
        history=server_folder / f"lies-{seed}.jsonl",
        charges=200,
        strikes=len(lies),
        per_second=60,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_peer_that_works_twice_or_fails_after_working_breaks_no_promise(wired: Wired, server_folder: Path, seed: int) -> None:
    """The debit is done, done again, and its answer replaced by an error."""
    failures = list(FAILURES)
    liar = wired.liar

    def fail() -> None:
        before = liar.told
        liar.twice, liar.fail = True, failures.pop()
        wait_until(lambda: liar.told > before, "a failure to be told")
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
