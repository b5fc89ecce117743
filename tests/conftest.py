"""Servers and databases that tests share. Nothing is started before a test asks for it, and nothing is left running."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.local.binaries import EngineMissing
from shared.local.ports import free_port
from shared.local.postgres import FAST_TEST_SETTINGS, Postgres
from shared.local.valkey import BROKER_SETTINGS, Valkey
from tests.certificates import Certificates
from tests.databases import DatabaseFactory, Databases
from tests.support import tool_missing


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Give a folder for servers, with a short path, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="charging-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[Postgres]:
    """Give a PostgreSQL that is fast and forgets in a crash of the machine."""
    try:
        server = Postgres(
            server_folder / "postgres",
            free_port(),
            password="postgres-password",
            log=server_folder / "postgres.log",
            settings=FAST_TEST_SETTINGS,
        )
    except EngineMissing as error:
        tool_missing(str(error))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path) -> Iterator[Valkey]:
    """Give a Valkey with the settings of the broker."""
    try:
        server = Valkey(
            "tests",
            server_folder / "valkey",
            free_port(),
            password="valkey-password",
            log=server_folder / "valkey.log",
            settings=BROKER_SETTINGS,
        )
    except EngineMissing as error:
        tool_missing(str(error))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Give an authority that issues certificates."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def redis_url(valkey_server: Valkey) -> str:
    """Give the URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture(scope="session")
def database_factory(postgres_server: Postgres) -> DatabaseFactory:
    """Give the factory that `databases` and `module_databases` clone from."""
    return DatabaseFactory(postgres_server)


@pytest.fixture
def databases(database_factory: DatabaseFactory) -> Iterator[Databases]:
    """Give one test a migrated database of its own."""
    yield from database_factory.borrowed()


@pytest.fixture
def one_cell(database_factory: DatabaseFactory) -> Iterator[Databases]:
    """Give one test a migrated database of its own with one cell: for what is about the inside of a cell."""
    yield from database_factory.borrowed(1)


@pytest.fixture
def four_cells(database_factory: DatabaseFactory) -> Iterator[Databases]:
    """Give one test a migrated database of its own with four cells, however many the others have."""
    yield from database_factory.borrowed(4)


@pytest.fixture(scope="module")
def module_databases(database_factory: DatabaseFactory) -> Iterator[Databases]:
    """Give the tests of a module one migrated database to share."""
    yield from database_factory.borrowed()
