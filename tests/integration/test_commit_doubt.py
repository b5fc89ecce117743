"""A COMMIT answered with a warning is an unknown outcome, on a real PostgreSQL whose synchronous standby does not answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from shared.database import Connection, Database, Sync
from shared.database_checks import DatabaseNotDurable, check_durability
from shared.errors import Unavailable
from shared.local.ports import free_port
from shared.local.postgres import DURABLE_SETTINGS, Postgres
from tests.support import wait_until

ADD = "INSERT INTO notes (id) VALUES (1) ON CONFLICT DO NOTHING"
ADD_ANOTHER = "INSERT INTO notes (id) VALUES (2) ON CONFLICT DO NOTHING"
WAITING = "SELECT pid FROM pg_stat_activity WHERE application_name = 'doubt' AND wait_event = 'SyncRep'"
CANCEL_PROBE = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'probe' AND wait_event = 'SyncRep'"
NAMED = "SELECT current_setting('synchronous_standby_names')"
LOST_STANDBY = "ANY 1 (lost)"
SECONDS_MAX = 20


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[Postgres]:
    """Give a durable server with one table."""
    folder = server_folder / "doubt"
    server = Postgres(folder, free_port(), password="doubt", log=server_folder / "doubt.log", settings=DURABLE_SETTINGS)
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("CREATE TABLE notes (id bigint PRIMARY KEY)")
    yield server
    server.stop()


@pytest.fixture
def admin(server: Postgres) -> Iterator[psycopg.Connection]:
    """Give an administrator who waits for no standby; afterwards none is named and the table is empty."""
    with psycopg.connect(server.url(), autocommit=True, options="-c synchronous_commit=local") as connection:
        yield connection
        name_standby(connection, "")
        connection.execute("TRUNCATE notes")
        connection.execute("ALTER DATABASE postgres RESET default_transaction_read_only")


@pytest.fixture
async def database(server: Postgres) -> AsyncIterator[Database]:
    """Give a database of one connection."""
    opened = Database(server.url(), "public", pool_size=1, application_name="doubt")
    await opened.open()
    yield opened
    await opened.close()


def name_standby(admin: psycopg.Connection, names: str) -> None:
    """Name the synchronous standbys, and return once a COMMIT is seen to wait for one, or for none."""
    admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'".encode())
    admin.execute("SELECT pg_reload_conf()")
    # The process that reads the setting for all others does so when it comes to it.
    wait_until(lambda: a_commit_waits(admin) == bool(names), "the server to know its standbys", SECONDS_MAX)


def a_commit_waits(admin: psycopg.Connection) -> bool:
    """Tell whether a COMMIT waits for a standby, by one that is cancelled as soon as it does."""
    info, options = admin.info, "-c synchronous_commit=on"
    with psycopg.connect(info.dsn, password=info.password, autocommit=True, options=options, application_name="probe") as probe:
        trying = Thread(target=probe.execute, args=("SELECT pg_logical_emit_message(true, 'probe', '')",))
        trying.start()
        waited = False
        while trying.is_alive():
            waited = bool(admin.execute(CANCEL_PROBE).fetchall()) or waited
            trying.join(0.01)
        return waited


async def add(connection: Connection) -> None:
    """Add the note, if it is not there."""
    await connection.execute(ADD)


async def add_pipelined(connection: Connection, sync: Sync) -> None:
    """Add the note in a pipeline."""
    await connection.execute(ADD)
    await sync()


async def cancel_waiting(admin: psycopg.Connection) -> None:
    """Cancel the one query that waits for the standby, once there is one."""
    await asyncio.to_thread(wait_until, lambda: bool(admin.execute(WAITING).fetchall()), "a COMMIT to wait", SECONDS_MAX)
    admin.execute(f"SELECT pg_cancel_backend(pid) FROM ({WAITING}) AS waiting".encode())


async def transact(database: Database, manner: str) -> None:
    """Add the note in one of the manners of a transaction."""
    manners = {
        "plain": lambda: database.transact(add),
        "pipelined": lambda: database.transact_pipelined(add_pipelined),
        "at once": lambda: database.transact_at_once(add),
    }
    await manners[manner]()


@pytest.mark.parametrize("manner", ["plain", "pipelined", "at once"])
async def test_a_commit_that_stopped_waiting_is_repeated_until_the_standby_has_it(
    database: Database, admin: psycopg.Connection, manner: str
) -> None:
    """The row is there after the first try, and still nobody is told so before a COMMIT that was not cut short."""
    await transact(database, manner)
    admin.execute("TRUNCATE notes")
    name_standby(admin, LOST_STANDBY)
    adding = asyncio.create_task(transact(database, manner))
    await cancel_waiting(admin)
    async with asyncio.timeout(SECONDS_MAX):
        while not (admin.execute("SELECT 1 FROM notes").fetchall() and admin.execute(WAITING).fetchall()):
            assert not adding.done(), "it was called done, and no standby has it"
            await asyncio.sleep(0.01)
    name_standby(admin, "")
    async with asyncio.timeout(SECONDS_MAX):
        await adding
    assert admin.execute("SELECT count(*) FROM notes").fetchall() == [(1,)]


async def test_a_commit_that_is_always_cut_short_is_never_called_done(database: Database, admin: psycopg.Connection) -> None:
    """After some tries the caller is told to ask again."""
    await transact(database, "plain")
    admin.execute("TRUNCATE notes")
    name_standby(admin, LOST_STANDBY)
    adding = asyncio.create_task(transact(database, "plain"))
    while not adding.done():
        admin.execute(f"SELECT pg_cancel_backend(pid) FROM ({WAITING}) AS waiting".encode())
        await asyncio.sleep(0.005)
    with pytest.raises(Unavailable):
        await adding


async def test_warnings_before_commit_put_nothing_in_doubt(database: Database) -> None:
    """A statement may warn of what it likes."""
    tries = 0

    async def work(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute("DO $$ BEGIN RAISE WARNING 'look here'; END $$")
        await connection.execute(ADD_ANOTHER)

    await database.transact(work)
    assert tries == 1


async def test_a_server_that_became_read_only_is_left(database: Database, admin: psycopg.Connection) -> None:
    """All its connections are given up at the first refusal; as soon as one can write again, work goes on."""
    await transact(database, "plain")
    admin.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    tries = 0

    async def work(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            await connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            await connection.execute("SET TRANSACTION READ ONLY")
            admin.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
        await connection.execute(ADD)
        return connection.info.backend_pid

    before = await database.transact(_pid)
    assert await database.transact(work) != before
    assert tries == 2


async def _pid(connection: Connection) -> int:
    return connection.info.backend_pid


async def test_of_several_hosts_the_one_that_can_write_is_taken(server: Postgres, admin: psycopg.Connection) -> None:
    """The first address has nobody, the second is the primary; the URL need not say more than the two."""
    several = server.url().replace(f"127.0.0.1:{server.port}", f"127.0.0.1:{free_port()},127.0.0.1:{server.port}")
    database = Database(several, "public", pool_size=1, application_name="several")
    await database.open()
    await transact(database, "plain")
    await database.close()
    assert admin.execute("SELECT count(*) FROM notes").fetchall() == [(1,)]


async def test_commits_that_do_not_wait_for_a_named_standby_are_refused_in_production(server: Postgres, admin: psycopg.Connection) -> None:
    """With a standby named, `local` is a hole; without, it is as good as the one disk."""
    async with await psycopg.AsyncConnection.connect(server.url(), autocommit=True) as connection:
        await connection.execute("SET synchronous_commit = local")
        await check_durability(connection, "production")
        name_standby(admin, LOST_STANDBY)
        async with asyncio.timeout(SECONDS_MAX):
            named = ""
            while named != LOST_STANDBY:
                (named,) = await (await connection.execute(NAMED)).fetchone() or ("",)
        with pytest.raises(DatabaseNotDurable, match="synchronous_commit=local"):
            await check_durability(connection, "production")
        await connection.execute("SET synchronous_commit = on")
        await check_durability(connection, "production")
