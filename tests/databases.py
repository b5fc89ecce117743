"""Databases for tests: a template with every schema, role and migration for each number of cells, cloned in a fraction of a second."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
from psycopg import sql

from shared.database_setup import SERVICES, ServiceDatabase, cells_from_environment, set_up_database
from shared.local.postgres import Postgres

TEMPLATE = "charging_template"
CELLS = cells_from_environment(os.environ)
"""Cells of every database that asks for no other number: the whole suite runs with as many as CHARGING_CELLS says."""

Parameters = Mapping[str, Any] | Sequence[Any] | None

PASSWORDS: Mapping[str, str] = {service: f"{service}-password" for service in SERVICES}


@dataclass(frozen=True, slots=True)
class Databases:
    """One cloned database: `admin_url` of the administrator, `urls` of each service's own runtime role, and the number of `cells`."""

    name: str
    admin_url: str
    urls: Mapping[str, str]
    cells: int

    def schemas(self, service: str) -> list[str]:
        """Return the names of a service's schemas, in order of its cells."""
        return ServiceDatabase(service, self.cells).schemas

    def rows(self, service: str, statement: str, parameters: Parameters = None, *, of: int | None = None) -> list[Any]:
        """Carry out a statement as the administrator in every cell of a service, or in the cell `of` an id; return what it returns."""
        schemas = self.schemas(service)
        wanted = schemas if of is None else [schemas[of % len(schemas)]]
        return [row for schema in wanted for row in rows_of(self.admin_url, schema, statement, parameters)]


def rows_of(admin_url: str, schema: str, statement: str, parameters: Parameters = None) -> list[Any]:
    """Carry out a statement as the administrator in one schema; return its rows, none for a statement that has none."""
    with psycopg.connect(admin_url, options=f"-c search_path={schema}", autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


class DatabaseFactory:
    """Clones databases from a migrated template, made on first use."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._numbers = count(1)
        self._templates: set[str] = set()

    def clone(self, cells: int = CELLS) -> Databases:
        """Return a new database of its own, with so many cells."""
        template = f"{TEMPLATE}_{cells}"
        if template not in self._templates:
            self._admin(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(template)))
            set_up_database(self.server.url(template), PASSWORDS, cells=cells)
            self._templates.add(template)
        return self._made(cells, sql.SQL("CREATE DATABASE {} TEMPLATE {}"), sql.Identifier(template))

    def empty(self, cells: int = CELLS) -> Databases:
        """Return a new database without anything in it, for migrations that are not the usual ones, to be set up with so many cells."""
        return self._made(cells, sql.SQL("CREATE DATABASE {}"))

    def _made(self, cells: int, statement: sql.SQL, *template: sql.Identifier) -> Databases:
        name = f"charging_test_{next(self._numbers)}"
        self._admin(statement.format(sql.Identifier(name), *template))
        admin_url = self.server.url(name)
        urls = {service: ServiceDatabase(service).runtime_url(admin_url, PASSWORDS[service]) for service in SERVICES}
        return Databases(name, admin_url, urls, cells)

    def drop(self, databases: Databases) -> None:
        """Remove a clone, whoever is still connected."""
        self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(databases.name)))

    def borrowed(self, cells: int = CELLS) -> Iterator[Databases]:
        """Yield a clone and drop it afterwards."""
        databases = self.clone(cells)
        yield databases
        self.drop(databases)

    def _admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(statement)
