"""Databases for tests: one template with every schema, role and migration, cloned in a fraction of a second."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import psycopg
from psycopg import sql

from shared.database_setup import SERVICES, ServiceDatabase, set_up_database
from shared.local.postgres import Postgres

TEMPLATE = "charging_template"
PASSWORDS: Mapping[str, str] = {service: f"{service}-password" for service in SERVICES}


@dataclass(frozen=True, slots=True)
class Databases:
    """One cloned database: `admin_url` of the administrator, `urls` of each service's own runtime role."""

    name: str
    admin_url: str
    urls: Mapping[str, str]


class DatabaseFactory:
    """Clones databases from a migrated template, made on first use."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._numbers = count(1)
        self._template_ready = False

    def clone(self) -> Databases:
        """Return a new database of its own."""
        if not self._template_ready:
            self._admin(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            set_up_database(self.server.url(TEMPLATE), PASSWORDS)
            self._template_ready = True
        return self._made(sql.SQL("CREATE DATABASE {} TEMPLATE {}"), sql.Identifier(TEMPLATE))

    def empty(self) -> Databases:
        """Return a new database without anything in it, for migrations that are not the usual ones."""
        return self._made(sql.SQL("CREATE DATABASE {}"))

    def _made(self, statement: sql.SQL, *template: sql.Identifier) -> Databases:
        name = f"charging_test_{next(self._numbers)}"
        self._admin(statement.format(sql.Identifier(name), *template))
        admin_url = self.server.url(name)
        urls = {service: ServiceDatabase(service).runtime_url(admin_url, PASSWORDS[service]) for service in SERVICES}
        return Databases(name, admin_url, urls)

    def drop(self, databases: Databases) -> None:
        """Remove a clone, whoever is still connected."""
        self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(databases.name)))

    def borrowed(self) -> Iterator[Databases]:
        """Yield a clone and drop it afterwards."""
        databases = self.clone()
        yield databases
        self.drop(databases)

    def _admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(statement)
