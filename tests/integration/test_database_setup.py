"""Set-up of the database: roles that reach their own schema only, and migrations that are applied once."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from shared.database_cells import CellsChanged
from shared.database_checks import DatabaseNotDurable, check_durability
from shared.database_migrations import MigrationFailed
from shared.database_setup import SERVICES, ServiceDatabase, set_up_database
from shared.local.postgres import Postgres
from tests.databases import PASSWORDS

FIRST_MIGRATION = """
CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL);
GRANT SELECT, INSERT ON notes TO charging_{service};
"""


@pytest.fixture
def empty_database(postgres_server: Postgres) -> Iterator[str]:
    """Give the administrator's URL of an empty database."""
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE setup_test")
        yield postgres_server.url("setup_test")
        connection.execute("DROP DATABASE setup_test WITH (FORCE)")


@pytest.fixture
def migrations_root(tmp_path: Path) -> Path:
    """Give a folder with one migration for every service."""
    for service in SERVICES:
        folder = tmp_path / service / "migrations"
        folder.mkdir(parents=True)
        (folder / "0001_notes.sql").write_text(FIRST_MIGRATION.format(service=service))
    return tmp_path


def connect_as(admin_url: str, service: str) -> psycopg.Connection:
    """Connect as a service's runtime role."""
    return psycopg.connect(ServiceDatabase(service).runtime_url(admin_url, PASSWORDS[service]))


def test_migrations_are_applied_once(empty_database: str, migrations_root: Path) -> None:
    """A second set-up finds nothing to do."""
    first = set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root)
    second = set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root)

    assert first == [f"{service}/0001_notes" for service in SERVICES]
    assert second == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_finds_its_tables_by_bare_name(empty_database: str, migrations_root: Path, service: str) -> None:
    """The role's search_path is its schema, and what the migration granted is allowed, and nothing else."""
    set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root)

    with connect_as(empty_database, service) as connection:
        connection.execute("INSERT INTO notes VALUES (1, 'kept')")
        assert connection.execute("SELECT body, current_schema FROM notes").fetchone() == ("kept", service)
        connection.commit()
        for forbidden in ("DELETE FROM notes", "UPDATE notes SET body = 'changed'"):
            with pytest.raises(InsufficientPrivilege), connection.transaction():
                connection.execute(forbidden.encode())


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reaches_no_other_schema(empty_database: str, migrations_root: Path, service: str) -> None:
    """Reading another's table, or making anything anywhere, is refused by the database itself."""
    set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root)
    others = [other for other in SERVICES if other != service]

    with connect_as(empty_database, service) as connection:
        for other in others:
            with pytest.raises(InsufficientPrivilege), connection.transaction():
                connection.execute(sql.SQL("SELECT 1 FROM {}.notes").format(sql.Identifier(other)))
            with pytest.raises(InsufficientPrivilege), connection.transaction():
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(ServiceDatabase(other).owner)))
        for statement in ("CREATE TABLE mine (id int)", "CREATE TABLE public.mine (id int)", "CREATE TEMPORARY TABLE mine (id int)"):
            with pytest.raises(InsufficientPrivilege), connection.transaction():
                connection.execute(statement.encode())


def test_a_failing_migration_leaves_nothing_behind(empty_database: str, migrations_root: Path) -> None:
    """The statements before the mistake are undone, the error names the file, and the corrected file applies."""
    bad = migrations_root / "gateway" / "migrations" / "0002_bad.sql"
    bad.write_text("CREATE TABLE half (id int PRIMARY KEY);\nCREATE TABLE half (id int PRIMARY KEY);\n")

    with pytest.raises(MigrationFailed, match=r"0002_bad\.sql"):
        set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root)
    bad.write_text("CREATE TABLE half (id int PRIMARY KEY);\n")

    assert set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root) == ["gateway/0002_bad"]


def test_a_killed_migrators_lock_is_broken(empty_database: str, migrations_root: Path) -> None:
    """The row that yoyo leaves behind when it is killed does not stop the next set-up."""
    set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("INSERT INTO gateway.yoyo_lock (locked, ctime, pid) VALUES (1, '2020-01-01', 1)")
    (migrations_root / "gateway" / "migrations" / "0002_more.sql").write_text("CREATE TABLE more (id int PRIMARY KEY);\n")

    assert set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root) == ["gateway/0002_more"]


def test_a_migration_outside_a_transaction_is_possible(empty_database: str, migrations_root: Path) -> None:
    """An index can be built concurrently."""
    folder = migrations_root / "gateway" / "migrations"
    (folder / "0002_index.sql").write_text("-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS notes_body ON notes (body);\n")

    assert "gateway/0002_index" in set_up_database(empty_database, PASSWORDS, migrations_root=migrations_root)


async def test_a_server_that_may_lose_commits_is_refused_in_production(postgres_server: Postgres) -> None:
    """The tests' own server runs without fsync: fine for development, named and refused otherwise."""
    async with await psycopg.AsyncConnection.connect(postgres_server.url()) as connection:
        await check_durability(connection, "development")
        with pytest.raises(DatabaseNotDurable, match="fsync=off, full_page_writes=off, synchronous_commit=off"):
            await check_durability(connection, "production")


def test_each_cell_counts_ids_of_its_own(empty_database: str) -> None:
    """With four cells a vendor's or customer's id says where it lives, and the role reaches all cells of its service."""
    set_up_database(empty_database, PASSWORDS, cells=4)
    assert set_up_database(empty_database, PASSWORDS, cells=4) == []

    insert = "INSERT INTO customers (phone_number, balance, last_seq, created_at) VALUES (%s, 0, 0, now()) RETURNING id"
    with connect_as(empty_database, "customer_charge") as connection:
        for cell in range(4):
            connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(f"customer_charge_{cell:02d}")))
            ids = [connection.execute(insert, (f"+{number}",)).fetchone() for number in range(2)]
            assert ids == [(cell or 4,), ((cell or 4) + 4,)]


@pytest.mark.parametrize(("first", "then"), [(1, 4), (4, 1), (4, 5)])
def test_the_number_of_cells_never_changes(empty_database: str, migrations_root: Path, first: int, then: int) -> None:
    """Rows would be looked for where they are not: refused, with nothing changed."""
    set_up_database(empty_database, PASSWORDS, cells=first, migrations_root=migrations_root)

    with pytest.raises(CellsChanged, match=f"{first} cells of vendor_credit .* {then} are wanted"):
        set_up_database(empty_database, PASSWORDS, cells=then, migrations_root=migrations_root)
    assert set_up_database(empty_database, PASSWORDS, cells=first, migrations_root=migrations_root) == []
