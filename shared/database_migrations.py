"""Apply a service's migrations: plain SQL files in the order of their names, by yoyo.

A migration and the note that it was applied are one transaction, so a migrator killed at any point leaves nothing half done. yoyo by itself
notes it afterwards, and a kill in between would make the next run repeat the migration. A file that begins with `-- transactional: false`
(for CREATE INDEX CONCURRENTLY) has no such protection and must be written to be repeatable.

yoyo's own lock is a row that a killed migrator leaves behind. The caller lets one set-up at a time into the database, so a row that is
there belongs to nobody and is removed. File names must be unique within a service; `-- depends:` is not used.
"""

import glob
import os
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import yoyo
from psycopg import sql
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.exceptions import BadMigration


class MigrationFailed(Exception):
    """A migration could not be read or applied; the ones before it are in place."""


class _SchemaBackend(PostgresqlPsycopgBackend):  # type: ignore[misc] # yoyo has no types
    """yoyo's PostgreSQL back end, connecting by any libpq connection string, as a role and in a schema."""

    def connect(self, dburi: DatabaseURI) -> "psycopg.Connection[Any]":
        connection = psycopg.connect(dburi.args["conninfo"], autocommit=True)
        for statement, name in (("SET ROLE {}", "role"), ("SET search_path = {}", "search_path")):
            connection.execute(sql.SQL(statement).format(sql.Identifier(dburi.args[name])))
        # A migration that cannot have its lock soon would hold up every service behind it.
        connection.execute("SET lock_timeout = '30s'")
        return connection

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        # yoyo asks for the fully qualified host name, which may wait for a name server, and for a user name that a container may not have.
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": str(os.getuid()),
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


def apply_migrations(conninfo: str, folder: Path, *, role: str, schema: str) -> list[str]:
    """Apply what is due in `folder`, as `role` and in `schema`; return the names applied. Raises MigrationFailed with the file's name.

    A folder that does not exist holds no migrations.
    """
    migrations = yoyo.read_migrations(glob.escape(str(folder)))
    if not migrations:
        return []
    uri = DatabaseURI("postgresql+psycopg", None, None, None, None, None, {"conninfo": conninfo, "role": role, "search_path": schema})
    applied: list[str] = []
    with _SchemaBackend(uri, "_yoyo_migration") as backend:
        backend.init_database()
        backend.break_lock()
        for migration in backend.to_apply(migrations):
            try:
                _apply(backend, migration)
            except (psycopg.Error, BadMigration) as error:
                raise MigrationFailed(f"{migration.path}: {error}") from error
            applied.append(migration.id)
    return applied


def _apply(backend: _SchemaBackend, migration: Any) -> None:
    migration.load()
    if not migration.use_transactions:
        backend.apply_one(migration)
        return
    with backend.transaction():
        # Within ours, yoyo's own transaction is a savepoint.
        migration.process_steps(backend, "apply")
        backend.mark_one(migration)
