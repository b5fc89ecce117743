"""Back ends terminated in the middle of COMMIT, for certain: they are made to wait there for a standby that does not exist."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from shared.local.stack import Stack
from tests.support import wait_until

Admin = psycopg.Connection[Any]

WAITING = "SELECT pid, query FROM pg_stat_activity WHERE usename LIKE 'charging_%' AND wait_event = 'SyncRep'"
ACCEPT = "INSERT INTO pending_charges"
"""The last statement of ACCEPT, which ends without the word COMMIT (`Database.transact_at_once`)."""

LOGGED = "WARNING:  canceling the wait for synchronous replication and terminating connection"


@contextmanager
def held_commits(admin: Admin) -> Iterator[None]:
    """Let each COMMIT that wrote something wait once it is in the log of this server, before anybody is told."""
    admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    admin.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
        admin.execute("SELECT pg_reload_conf()")


def terminate_at_commit(stack: Stack) -> None:
    """Terminate whatever waits in COMMIT until an ACCEPT and some other were struck, and return when the server has told of each.

    Theirs is committed then, and nobody was told. So what an ACCEPT leaves to do is there, and is found, even where the load waits for its
    answers: the other comes by itself.
    """
    log = stack.engines["postgres"].log
    logged_before = log.stat().st_size
    victims: dict[int, str] = {}

    def cut_short() -> set[int]:
        with log.open("rb") as file:
            file.seek(logged_before)
            return {int(line.partition("[")[2].partition("]")[0]) for line in file.read().decode().splitlines() if LOGGED in line}

    def struck_both() -> bool:
        found = waiting(admin)
        admin.execute("SELECT pg_terminate_backend(victim) FROM unnest(%s::int[]) AS victim", [list(found)])
        victims.update(found)
        return {ACCEPT in query for query in victims.values()} == {True, False}

    with psycopg.connect(stack.choices.admin_url, autocommit=True) as admin, held_commits(admin):
        wait_until(struck_both, "an ACCEPT and another to wait")
        wait_until(lambda: victims.keys() <= cut_short(), "the server to tell of each that its COMMIT was cut short")


def waiting(admin: Admin) -> dict[int, str]:
    """Return the back ends of services that wait in COMMIT, with the last statement of each."""
    return dict(admin.execute(WAITING).fetchall())
