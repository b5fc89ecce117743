"""Lost connections, on a real PostgreSQL: callers of a healthy database do not see them."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from shared.database import Connection, Database
from tests.databases import Databases

CONNECTIONS = 12


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    """Give a database whose pool has grown to its full size."""
    opened = Database(databases.urls["vendor_credit"], "vendor_credit", pool_size=CONNECTIONS, application_name="lost")
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
