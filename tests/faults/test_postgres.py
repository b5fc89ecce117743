"""PostgreSQL may stop at once, cut connections in the middle of COMMIT, wait for locks, give up, and have no connection or no room left."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from shared.database_setup import SERVICES, ServiceDatabase
from shared.local.stack import Stack
from tests.cells import change_in_cells, rows_in_cells
from tests.faults.commit_waits import terminate_at_commit
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.strikes import kill, last
from tests.system.office import Office

TERMINATING_SECONDS = 1.5
TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename LIKE 'charging_%' AND random() < 0.05"
HELD_SECONDS = 1.5
EXHAUSTED_SECONDS = 6.5
"""Longer than a process waits for a free connection of its pool."""


def stop_at_once(stack: Stack) -> None:
    """Stop the server in immediate mode and start it again: it recovers from its log."""
    kill(stack, "postgres", signal.SIGQUIT)


def terminate_back_ends(stack: Stack) -> None:
    """Terminate back ends in the middle of COMMIT, and then any, again and again."""
    terminate_at_commit(stack)
    until = time.monotonic() + TERMINATING_SECONDS
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as admin:
        while time.monotonic() < until:
            admin.execute(TERMINATE)


@contextmanager
def timeout(stack: Stack, name: str, value: str) -> Iterator[None]:
    """Give every service's role a time-out for new connections, and make all connections new."""
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as admin:
        roles = [ServiceDatabase(service).role for service in SERVICES]
        for role in roles:
            admin.execute(f"ALTER ROLE {role} SET {name} = '{value}'".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'charging_%'")
        try:
            yield
        finally:
            for role in roles:
                admin.execute(f"ALTER ROLE {role} RESET {name}".encode())
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'charging_%'")


def hold_rows(stack: Stack, seconds: float = HELD_SECONDS) -> None:
    """Hold the locks of all vendors and customers for a while."""
    with psycopg.connect(stack.choices.admin_url) as admin:
        rows_in_cells(admin, "SELECT id FROM vendor_credit.vendors ORDER BY id FOR UPDATE")
        rows_in_cells(admin, "SELECT id FROM customer_charge.customers ORDER BY id FOR UPDATE")
        last(seconds)
        admin.rollback()


def time_out_locks(stack: Stack) -> None:
    """Let waits for locks end with an error."""
    with timeout(stack, "lock_timeout", "100ms"):
        hold_rows(stack)


def time_out_statements(stack: Stack) -> None:
    """Let slow statements end with an error."""
    with timeout(stack, "statement_timeout", "150ms"):
        hold_rows(stack)


def deadlock(stack: Stack) -> None:
    """Take locks in the wrong order, so that a settlement and this stand in each other's way, and one of them is shot."""
    with timeout(stack, "deadlock_timeout", "300ms"):
        for _ in range(3):
            with psycopg.connect(stack.choices.admin_url) as admin:
                try:
                    admin.execute("SET deadlock_timeout = '5s'")  # whoever looks first, after the circle has closed, is shot
                    rows_in_cells(admin, "SELECT id FROM customer_charge.customers FOR UPDATE")
                    last(0.15)
                    rows_in_cells(admin, "SELECT id FROM customer_charge.charges WHERE state = 1 FOR UPDATE")
                except psycopg.errors.DeadlockDetected:
                    pass
                admin.rollback()


def exhaust_pools(stack: Stack) -> None:
    """Hold the tables that everybody writes, until every connection of every pool waits for them and others wait for a connection."""
    with psycopg.connect(stack.choices.admin_url) as admin:
        change_in_cells(
            admin, "LOCK TABLE customer_charge.charge_keys, customer_charge.pending_charges, vendor_credit.vendors IN ACCESS EXCLUSIVE MODE"
        )
        last(EXHAUSTED_SECONDS)
        admin.rollback()


def refuse_connections(stack: Stack) -> None:
    """Leave the services no connection to have, as a server does that is full."""
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as admin:
        roles = [ServiceDatabase(service).role for service in SERVICES]
        for role in roles:
            admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'charging_%'")
        last(HELD_SECONDS)
        for role in roles:
            admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1".encode())


BLOWS: dict[str, Callable[[Stack], None]] = {
    "immediate-stop": stop_at_once,
    "terminated": terminate_back_ends,
    "lock-timeout": time_out_locks,
    "statement-timeout": time_out_statements,
    "deadlock": deadlock,
    "pools-exhausted": exhaust_pools,
    "no-connections-left": refuse_connections,
}


LEAVES = {
    "immediate-stop": "received immediate shutdown request",
    "terminated": "terminating connection due to administrator command",
    "lock-timeout": "canceling statement due to lock timeout",
    "statement-timeout": "canceling statement due to statement timeout",
    "deadlock": "deadlock detected",
    "no-connections-left": "too many connections for role",
}
"""What the server logs where a blow has landed; `terminate_at_commit` looks by itself. Exhausted pools are no news to it."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("blow", BLOWS)
def test_a_failing_database_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, blow: str, seed: int) -> None:
    """Once or twice in a run, and it does fail; afterwards everything becomes final in time."""
    log = stack.engines["postgres"].log
    logged_before = log.stat().st_size
    history = server_folder / f"postgres-{blow}-{seed}.jsonl"
    play(stack, office, lambda: BLOWS[blow](stack), seed=seed, history=history, charges=150, strikes=1 if "exhausted" in blow else 2)
    with log.open("rb") as file:
        file.seek(logged_before)
        assert LEAVES.get(blow, "").encode() in file.read(), "the blow missed"
