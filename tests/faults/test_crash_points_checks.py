"""Crash points of what is done each minute: whoever dies there, the next check finds the same, and the accounts concerned are stopped."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from shared.local.stack import Stack
from tests.cells import change_in_cells, rows_in_cells
from tests.faults.crash import CrashFolder
from tests.faults.points import CHECKED, CHECKED_AND_BROKEN, Pair
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.strikes import frozen, kill
from tests.support import wait_until
from tests.system.office import Office, caller
from tests.system.stacks import change, count, query, ready

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 240
EXPIRED = 6


def die_in_turn(stack: Stack, crashes: CrashFolder, pairs: Sequence[Pair]) -> None:
    """Let a check die at each point, one after the other, and one more come to its end; fail the test for one that was not reached."""
    points = [point.name for pair in pairs for point in pair[:2]]
    outcome = subprocess.run(  # noqa: S603 - a program of ours
        [sys.executable, "-m", "tests.faults.one_check", str(crashes.folder), *points, ""],
        cwd=ROOT,
        env={**stack.process_environment, "ONE_CHECK_ADMIN_URL": stack.choices.admin_url, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    told = [line for line in outcome.stdout.splitlines() if line.endswith(("killed", "passed")) or " ended with " in line]
    assert told == [*(f"{point} killed" for point in points), " passed"], outcome.stdout[-4000:] + outcome.stderr[-4000:]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_check_that_dies_under_load_breaks_no_promise(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, seed: int
) -> None:
    """Nobody is stopped whose books are whole, an overdue request expires once, and the next check comes to its end."""
    overdue = old_request(stack, office)
    partner = office.partner(credit=1)
    charged(office, partner.token, partner.order(1))  # so that there is one to look at, however much is under way
    play(
        stack,
        office,
        lambda: die_in_turn(stack, crashes, CHECKED),
        seed=seed,
        history=server_folder / f"checked-{seed}.jsonl",
        charges=90,
        strikes=1,
    )
    assert query(stack, "SELECT state FROM vendor_credit.credit_requests WHERE id = %s", (overdue,)) == [(EXPIRED,)]
    logged = "SELECT count(*) FROM vendor_credit.audit_log WHERE action = 'expire_credit_request' AND target = %s"
    assert count(stack, logged, (f"credit_request:{overdue}",)) == 1


def test_a_check_that_dies_where_books_are_broken_stops_the_accounts_all_the_same(
    stack: Stack, office: Office, crashes: CrashFolder
) -> None:
    """A vendor whose credit back is gone, a vendor and a customer whose balance is wrong: mended and released, they go on."""
    # A gateway makes ids that never go back, not even with the clock: after a test that sets it forward they would be tomorrow's.
    kill(stack, "gateway")
    wait_until(lambda: ready(office.url), "the gateway", seconds=60)
    broken, robbed = office.partner(credit=100), office.partner(credit=100)
    with no_other_check(stack):
        charge = charged(office, broken.token, broken.order(10))
        with caller(office.url, broken.token) as client:
            made = client.post(f"/api/customer/charges/{charge}/reverse/", json={"reason": "x"}, headers={"Idempotency-Key": str(uuid4())})
            assert made.is_success, made.text
        reversal = made.json()["data"]["id"]
        wait_until(lambda: query(stack, "SELECT state FROM customer_charge.reversals WHERE id = %s", (reversal,)) == [(2,)], "the reversal")
        charged(office, robbed.token, robbed.order(10))
        lost = "FROM vendor_credit.reversal_credits WHERE reversal_id = %s"
        with psycopg.connect(stack.choices.admin_url, autocommit=True) as admin:
            (kept,) = rows_in_cells(admin, f"SELECT reversal_id, vendor_id, amount, credited_at {lost}", (reversal,))
            for statement, name in tampering("+", robbed.vendor, robbed.customer):
                assert change_in_cells(admin, statement, (name,)) == 1
            change_in_cells(admin, f"DELETE {lost}", (reversal,))
            try:
                die_in_turn(stack, crashes, CHECKED_AND_BROKEN)
            finally:
                for statement, name in tampering("-", robbed.vendor, robbed.customer):
                    change_in_cells(admin, statement, (name,))
                change_in_cells(admin, PUT_BACK, (*kept, broken.vendor))
    accounts = [("vendor", broken.vendor), ("vendor", robbed.vendor), ("customer", robbed.customer)]
    stopped = [bool(office.get(f"/api/{kind}/{number}/")["data"]["stopped"]) for kind, number in accounts]
    for kind, number in accounts:
        office.post(f"/api/{kind}/{number}/release/", {"reason": "mended"})
    assert stopped == [True, True, True]
    assert office.final(charged(office, broken.token, broken.order(5)))["status"] == "succeeded"
    assert office.final(charged(office, robbed.token, robbed.order(5)))["status"] == "succeeded"


PUT_BACK = """
INSERT INTO vendor_credit.reversal_credits SELECT %s, %s, %s, %s FROM vendor_credit.vendors WHERE id = %s
"""


@contextmanager
def no_other_check(stack: Stack) -> Iterator[None]:
    """Hold the scheduler, where it is in no transaction: its own check of the minute would look at what the dying ones are to find."""
    busy = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'scheduler' AND state <> 'idle'"
    while True:
        with frozen(stack, "scheduler"):
            if not query(stack, busy):
                yield
                return


def old_request(stack: Stack, office: Office) -> int:
    """Submit a credit request and let it be a year old."""
    request = int(office.post("/api/vendor/submit-request/", {"requester": office.vendor(), "amount": 5})["data"]["id"])
    older = "UPDATE vendor_credit.credit_requests SET created_at = created_at - interval '1 year' WHERE id = %s"
    assert change(stack, older, (request,)) == 1
    return request


def tampering(sign: str, vendor: int, customer: int) -> list[tuple[str, int]]:
    """Return what makes two balances wrong, or right again."""
    return [
        (f"UPDATE vendor_credit.vendors SET balance = balance {sign} 1 WHERE id = %s", vendor),
        (f"UPDATE customer_charge.customers SET balance = balance {sign} 1 WHERE id = %s", customer),
    ]


def charged(office: Office, token: str, order: dict[str, int]) -> str:
    """Make a charge and return its id once it is final."""
    with caller(office.url, token) as client:
        answer = client.post("/api/customer/increase-credit/", json=order, headers={"Idempotency-Key": str(uuid4())})
    assert answer.is_success, answer.text
    return str(office.final(answer.json()["data"]["id"])["id"])
