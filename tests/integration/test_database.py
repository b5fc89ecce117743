"""Lost connections, on a real PostgreSQL: callers of a healthy database do not see them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest

from shared.database import Connection, Cursor, Database, Sync, expect_rows
from tests.databases import Databases

CONNECTIONS = 12


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    """Give a database whose pool has grown to its full size."""
    opened = Database(
        databases.urls["vendor_credit"], databases.schemas("vendor_credit")[0], pool_size=CONNECTIONS, application_name="lost"
    )
    await opened.open()

    async def hold() -> None:
        async with opened.reading() as connection:
            await connection.execute("SELECT pg_sleep(0.1)")

    await asyncio.gather(*[hold() for _ in range(CONNECTIONS)])
    yield opened
    await opened.close()


def terminate_all(databases: Databases) -> int:
    """Terminate every connection of the pool; return how many there were."""
    with psycopg.connect(databases.admin_url, autocommit=True) as admin:
        rows = admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'lost'").fetchall()
    return len(rows)


async def one(connection: Connection) -> int:
    """Read a one."""
    row = await (await connection.execute("SELECT 1")).fetchone()
    assert row is not None
    return int(row[0])


async def test_reads_and_transactions_go_on_when_all_idle_connections_were_terminated(database: Database, databases: Databases) -> None:
    """The pool lends no corpse, however many it holds."""
    for _ in range(3):
        assert terminate_all(databases) >= 1
        async with database.reading() as connection:
            assert await one(connection) == 1
        assert await asyncio.gather(*[database.transact(one) for _ in range(CONNECTIONS)]) == [1] * CONNECTIONS


async def test_a_transaction_whose_connection_dies_under_it_is_repeated(database: Database, databases: Databases) -> None:
    """A back end terminated in the middle costs a repetition, not an error."""
    tries = 0

    async def work(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            terminate_all(databases)
        return await one(connection)

    assert await database.transact(work) == 1
    assert tries == 2


ADD_KEY = """
INSERT INTO write_keys (principal, method, key, payload, resource_id, created_at)
VALUES ('test', 'test', %(key)s, '{}', 1, %(now)s)
"""
KEYS = "SELECT key FROM write_keys ORDER BY key"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def kept(database: Database) -> list[str]:
    """Return the keys that were committed."""
    async with database.reading() as connection:
        return [row[0] for row in await (await connection.execute(KEYS)).fetchall()]


async def add_both(database: Database, first: str, second: str, *, rows: int = 1) -> list[str]:
    """Add two keys in one pipelined transaction that expects so many rows of the second; return what it saw itself."""

    async def work(connection: Connection, sync: Sync) -> list[str]:
        await connection.execute(ADD_KEY, {"key": first, "now": NOW})
        seen = await connection.execute(KEYS)
        added = await connection.execute(ADD_KEY, {"key": second, "now": NOW})
        assert added.rowcount == -1, "it was sent before anybody asked"
        await sync()
        expect_rows(added, rows, "keys")
        return [row[0] for row in await seen.fetchall()]

    return await database.transact_pipelined(work)


async def test_pipelined_statements_are_held_and_each_sees_the_ones_before(database: Database) -> None:
    """Nothing leaves before the synchronisation, and the server carries them out in order."""
    assert await add_both(database, "a", "b") == ["a"]
    assert await kept(database) == ["a", "b"]


async def test_a_pipelined_transaction_is_all_or_nothing(database: Database) -> None:
    """A wrong row count takes everything back."""
    with pytest.raises(RuntimeError, match="1 of 2 keys were written"):
        await add_both(database, "a", "b", rows=2)
    assert await kept(database) == []


async def test_a_failed_pipeline_spoils_nothing_for_those_that_follow(database: Database) -> None:
    """Statements that the server skipped behind a failure were not prepared, and nobody takes them for it."""
    for number in range(8):
        with pytest.raises(psycopg.errors.UniqueViolation):
            await add_both(database, f"twice-{number}", f"twice-{number}")
        await asyncio.gather(*[add_both(database, f"a-{number}-{each}", f"b-{number}-{each}") for each in range(CONNECTIONS)])
    assert len(await kept(database)) == 8 * 2 * CONNECTIONS


async def test_a_pipelined_transaction_whose_connection_dies_under_it_is_repeated(database: Database, databases: Databases) -> None:
    """As without a pipeline: a repetition, not an error."""
    tries = 0

    async def work(connection: Connection, sync: Sync) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            terminate_all(databases)
        seen = await connection.execute("SELECT 1")
        await sync()
        return len(await seen.fetchall())

    assert await database.transact_pipelined(work) == 1
    assert tries == 2


async def add_both_at_once(database: Database, first: str, second: str) -> list[str]:
    """Add two keys in one round trip; return what the statement between them saw."""

    async def work(connection: Connection) -> tuple[Cursor, Cursor]:
        await connection.execute(ADD_KEY, {"key": first, "now": NOW})
        seen = await connection.execute(KEYS)
        return seen, await connection.execute(ADD_KEY, {"key": second, "now": NOW})

    seen, added = await database.transact_at_once(work)
    expect_rows(added, 1, "keys")
    return [row[0] for row in await seen.fetchall()]


async def test_a_transaction_at_once_carries_its_statements_out_in_order(database: Database) -> None:
    """Each sees those before it, and all have taken effect."""
    assert await add_both_at_once(database, "a", "b") == ["a"]
    assert await kept(database) == ["a", "b"]


async def test_a_transaction_at_once_is_all_or_nothing_and_spoils_nothing_for_those_that_follow(database: Database) -> None:
    """A failure takes the statements before it back, and the connection goes on with the next transaction, prepared statements included."""
    for number in range(8):
        with pytest.raises(psycopg.errors.UniqueViolation):
            await add_both_at_once(database, f"twice-{number}", f"twice-{number}")
        for each in range(CONNECTIONS):
            await add_both_at_once(database, f"a-{number}-{each}", f"b-{number}-{each}")
            await add_both(database, f"c-{number}-{each}", f"d-{number}-{each}")
    assert len(await kept(database)) == 8 * 4 * CONNECTIONS


async def test_work_that_fails_before_it_is_sent_leaves_nothing_behind(database: Database) -> None:
    """Not on the server, and not on the connection that it was noted on."""

    async def work(connection: Connection) -> None:
        await connection.execute(ADD_KEY, {"key": "a", "now": NOW})
        raise ValueError("no")

    for _ in range(CONNECTIONS):
        with pytest.raises(ValueError, match="no"):
            await database.transact_at_once(work)
    assert await add_both_at_once(database, "b", "c") == ["b"]
    assert await kept(database) == ["b", "c"]


async def test_a_transaction_at_once_whose_connection_dies_under_it_is_repeated(database: Database, databases: Databases) -> None:
    """As any other: a repetition, not an error."""
    tries = 0

    async def work(connection: Connection) -> Cursor:
        nonlocal tries
        tries += 1
        if tries == 1:
            terminate_all(databases)
        return await connection.execute("SELECT 1")

    assert len(await (await database.transact_at_once(work)).fetchall()) == 1
    assert tries == 2
