"""Prepare one PostgreSQL database for all services: a schema, an owner and a runtime role for each, then the migrations.

Run as `python -m shared.database_setup`, again after every upgrade: what exists is left as it is, passwords are set anew. Reads
DATABASE_URL, an administrator who may create roles, and CHARGING_<SERVICE>_DB_PASSWORD of every service, each a variable or a file of the
folder CHARGING_SECRETS_DIR.

Each service has three things under one name, say `vendor_credit`:

- the schema `vendor_credit`; or, with CHARGING_CELLS above 1, one for each cell, `vendor_credit_00` and so on (see shared/cells.py);
- `charging_vendor_credit_owner`, which cannot log in, owns the schema and runs its migrations;
- `charging_vendor_credit`, which the service logs in as. It may use its own schema and no other; what it may do with each table is granted
  by the migration that makes the table, so that append-only tables say so where they are written.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shared.cell_numbers import CELLS_MAX, schemas_of
from shared.database_cells import CellsChanged, number_cell, refuse_other_cells
from shared.database_migrations import apply_migrations
from shared.settings import environment_with_secrets

SERVICES = ("vendor_credit", "customer_charge", "gateway")
IN_CELLS = frozenset({"vendor_credit", "customer_charge"})
"""Services whose rows are spread over cells. The gateway's are not in the way of a charge."""

MIGRATIONS_ROOT = Path(__file__).resolve().parent.parent / "services"

SETUP_LOCK = 0x63686172
"""Number of the advisory lock ("char") that lets one set-up at a time into a database. It ends with its connection, so a killed set-up
blocks nobody. Services never take such locks; this one needs a direct connection, not a pooler's."""

IDLE_IN_TRANSACTION_MAX = "10s"
"""A process frozen or cut off inside a transaction loses it, and its locks, after this long: everybody else waits for those rows."""


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
    """What one service has in the database."""

    service: str
    cells: int = 1

    @property
    def schemas(self) -> list[str]:
        """Return the names of the schemas, one for each cell."""
        return schemas_of(self.service, self.cells if self.service in IN_CELLS else 1)

    @property
    def owner(self) -> str:
        """Return the role that owns the schema and runs the migrations."""
        return f"charging_{self.service}_owner"

    @property
    def role(self) -> str:
        """Return the role that the service logs in as."""
        return f"charging_{self.service}"

    def runtime_url(self, admin_url: str, password: str) -> str:
        """Return the service's connection URL for the database that `admin_url` names, with the same host, port and options."""
        options = {name: str(value) for name, value in conninfo_to_dict(admin_url).items()}
        host, port, database = (options.pop(name, "") for name in ("host", "port", "dbname"))
        for name in ("user", "password"):
            options.pop(name, None)
        if host.startswith("/"):
            # A socket folder has no place before the path of a URL.
            options["host"], host = host, ""
        address = ",".join(f"{name}:{number}" if number else name for name, number in _hosts(host, port))
        query = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{self.role}:{quote(password, safe='')}@{address}/{quote(database, safe='')}{query}"


def set_up_database(
    admin_url: str,
    passwords: Mapping[str, str],
    *,
    cells: int = 1,
    services: Sequence[str] = SERVICES,
    migrations_root: Path = MIGRATIONS_ROOT,
) -> list[str]:
    """Create what is missing and migrate; return the names of the migrations applied, each as `schema/name`.

    `passwords` maps every service to its runtime role's password. Raises psycopg.Error, MigrationFailed for a migration that is wrong, and
    CellsChanged for a database that was set up with another number of cells; then nothing is changed.
    """
    applied: list[str] = []
    with _sole_set_up(admin_url) as connection:
        databases = [ServiceDatabase(service, cells) for service in services]
        for database in databases:
            refuse_other_cells(connection, database.service, database.schemas)
        _close_to_the_public(connection)
        for database in databases:
            with connection.transaction():
                _create_roles(connection, database, passwords[database.service])
                for schema in database.schemas:
                    _create_schema(connection, database, schema)
        for database in databases:
            folder = migrations_root / database.service / "migrations"
            for cell, schema in enumerate(database.schemas):
                names = apply_migrations(make_conninfo(admin_url), folder, role=database.owner, schema=schema)
                applied += [f"{schema}/{name}" for name in names]
                with connection.transaction():
                    number_cell(connection, schema, cell, len(database.schemas))
    return applied


@contextmanager
def _sole_set_up(admin_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (SETUP_LOCK,))
        yield connection


def _close_to_the_public(connection: psycopg.Connection) -> None:
    """Take away what PostgreSQL gives every role of the server: to enter this database, make temporary tables, and use schema public."""
    database = sql.Identifier(connection.info.dbname)
    with connection.transaction():
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")


def _create_roles(connection: psycopg.Connection, database: ServiceDatabase, password: str) -> None:
    owner, role = sql.Identifier(database.owner), sql.Identifier(database.role)
    for name, login in ((database.owner, sql.SQL("NOLOGIN")), (database.role, sql.SQL("LOGIN"))):
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} {} NOINHERIT").format(sql.Identifier(name), login))
    # Needed to act as the owner when the administrator is no superuser.
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
    # The verifier is made here, so that the password itself is in no statement and no log of the server.
    verifier = connection.pgconn.encrypt_password(password.encode(), database.role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(verifier)))
    connection.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(role, sql.Identifier(database.schemas[0])))
    connection.execute(
        sql.SQL("ALTER ROLE {} SET idle_in_transaction_session_timeout = {}").format(role, sql.Literal(IDLE_IN_TRANSACTION_MAX))
    )


def _create_schema(connection: psycopg.Connection, database: ServiceDatabase, name: str) -> None:
    schema, owner, role = sql.Identifier(name), sql.Identifier(database.owner), sql.Identifier(database.role)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(schema, owner))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(connection.info.dbname), role))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))


def _hosts(host: str, port: str) -> list[tuple[str, str]]:
    """Pair the comma-separated hosts of a connection string with their ports; one port counts for all hosts (as in libpq)."""
    hosts, ports = host.split(","), port.split(",")
    return [(name, ports[index] if len(ports) > 1 else ports[0]) for index, name in enumerate(hosts)]


def passwords_from_environment(environment: Mapping[str, str], services: Sequence[str] = SERVICES) -> dict[str, str]:
    """Return the runtime passwords by service. Raises KeyError with the names of all variables that are missing or empty."""
    names = {service: f"CHARGING_{service.upper()}_DB_PASSWORD" for service in services}
    missing = [name for name in names.values() if not environment.get(name)]
    if missing:
        raise KeyError(", ".join(missing))
    return {service: environment[name] for service, name in names.items()}


def cells_from_environment(environment: Mapping[str, str]) -> int:
    """Return CHARGING_CELLS, 1 when it is not set. Raises ValueError."""
    text = environment.get("CHARGING_CELLS") or "1"
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= CELLS_MAX:
        raise ValueError(f"CHARGING_CELLS={text}: give a number from 1 to {CELLS_MAX}")
    return int(text)


def main() -> int:
    """Set up the database that the environment names, and say what was done."""
    try:
        environment = environment_with_secrets()
        admin_url = environment["DATABASE_URL"]
        passwords = passwords_from_environment(environment)
        cells = cells_from_environment(environment)
    except KeyError as missing:
        print(f"set these environment variables: {missing.args[0]}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        applied = set_up_database(admin_url, passwords, cells=cells)
    except CellsChanged as error:
        print(error, file=sys.stderr)
        return 2
    print(f"database ready, {len(applied)} migrations applied: {', '.join(applied) or 'none was due'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
