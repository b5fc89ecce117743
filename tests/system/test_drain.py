"""SIGTERM, the everyday end of a process: no call in flight fails, and callers who retry as documented notice nothing."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from shared.local.stack import Stack
from tests.cells import change_in_cells
from tests.faults.client import IMPATIENT, RUNNING
from tests.faults.run import play
from tests.faults.strikes import kill
from tests.support import wait_until
from tests.system.office import Office, caller
from tests.system.stacks import audit, count, query

IN_FLIGHT = 20
PROCESSES = ("gateway", "customer_charge", "vendor_credit", "customer_charge.worker", "vendor_credit.worker", "scheduler")

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = %s
"""


@contextmanager
def locked(stack: Stack, table: str) -> Iterator[None]:
    """Hold a table so that every transaction that writes to it waits."""
    with psycopg.connect(stack.choices.admin_url) as connection:
        change_in_cells(connection, f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


def waits_for_lock(stack: Stack, service: str) -> Callable[[], bool]:
    """Return a condition: a transaction of the service waits for a lock."""
    return lambda: query(stack, WAITING, (service,)) != [(0,)]


def rows(stack: Stack, table: str) -> int:
    """Return how many rows a table of ours has."""
    return count(stack, f"SELECT count(*) FROM {table}")


@pytest.mark.parametrize(
    ("drained", "service", "table", "path"),
    [
        ("gateway", "customer_charge", "customer_charge.charge_keys", "/api/customer/increase-credit/"),
        ("customer_charge", "customer_charge", "customer_charge.charge_keys", "/api/customer/increase-credit/"),
        ("vendor_credit", "vendor_credit", "vendor_credit.credit_requests", "/api/vendor/submit-request/"),
    ],
    ids=["gateway", "customer_charge", "vendor_credit"],
)
def test_calls_in_flight_end_well_while_their_process_drains(
    stack: Stack, office: Office, url: str, drained: str, service: str, table: str, path: str
) -> None:
    """Calls that wait inside a transaction when SIGTERM comes are answered before the process ends, each exactly once."""
    partner = office.partner(credit=1_000)
    order = partner.order(1) if "customer" in path else {"requester": partner.vendor, "amount": 1}
    rows_before = rows(stack, table)
    log = stack.supervision.log_of(drained)
    steps: list[str] = []

    def note(step: str, _facts: object) -> None:
        steps.append(step)

    with ThreadPoolExecutor(IN_FLIGHT) as pool, caller(url, partner.token) as client:
        with locked(stack, table):
            answers = [pool.submit(client.post, path, json=order, extensions={"trace": note}) for _ in range(IN_FLIGHT)]
            wait_until(lambda: steps.count("http11.send_request_body.complete") == IN_FLIGHT, "every call to be sent")
            assert client.get("/health/").is_success, "connections are taken in order: all before this one are in"
            wait_until(waits_for_lock(stack, service), "a transaction to wait for the lock")
            seen = log.stat().st_size
            stack.kill(drained, signal.SIGTERM)
            wait_until(lambda: "stopping" in log.read_text()[seen:], f"{drained} to begin to drain")
        assert {answer.result(20).status_code for answer in answers} <= {200, 202}
    assert rows(stack, table) == rows_before + IN_FLIGHT
    stack.wait_ready()
    audit(stack)


def test_callers_who_retry_as_documented_notice_no_restart(stack: Stack, office: Office, server_folder: Path) -> None:
    """Every process ends and is replaced under load, one after the other; every charge gets its answer."""
    victims = list(PROCESSES)

    def restart() -> None:
        kill(stack, victims.pop(0), signal.SIGTERM)
        stack.wait_ready()

    verdict = play(stack, office, restart, seed=1, history=server_folder / "drain.jsonl", charges=400, strikes=len(victims))
    # A refused connection carried no call: every call that was sent was answered, some with the word that its double is still running.
    unanswered = {line.detail for line in verdict.lines if line.event == "unknown"}
    assert unanswered <= {"ConnectError", RUNNING, IMPATIENT}
