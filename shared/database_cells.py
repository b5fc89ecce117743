"""The cells of a service in the database: how many there are is decided once, and each counts ids of its own."""

from collections.abc import Sequence

import psycopg
from psycopg import sql


class CellsChanged(Exception):
    """The database was set up with another number of cells; rows would be looked for where they are not."""


SCHEMAS_OF = (
    "SELECT nspname FROM pg_namespace WHERE nspname = %(service)s OR nspname ~ ('^' || %(service)s || '_[0-9]{2}$') ORDER BY nspname"
)


def refuse_other_cells(connection: psycopg.Connection, service: str, schemas: Sequence[str]) -> None:
    """Raise CellsChanged where the service has other schemas than these, or may have: some of them, from a set-up that was cut off."""
    found = [row[0] for row in connection.execute(SCHEMAS_OF, {"service": service}).fetchall()]
    if found and found != sorted(schemas):
        raise CellsChanged(
            f"this database was set up with {len(found)} cells of {service} ({found[0]} to {found[-1]}), and {len(schemas)} are wanted:"
            " the number of cells never changes once there is a database"
        )


SEQUENCES_OF = """
SELECT class.relname, attribute.attname
FROM pg_class AS class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace AND namespace.nspname = %(schema)s
JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attidentity <> ''
JOIN pg_depend AS dependency ON dependency.refobjid = class.oid AND dependency.refobjsubid = attribute.attnum AND dependency.deptype = 'i'
JOIN pg_sequence AS sequence ON sequence.seqrelid = dependency.objid
WHERE sequence.seqincrement <> %(cells)s
"""


def number_cell(connection: psycopg.Connection, schema: str, cell: int, cells: int) -> None:
    """Let the identity columns of the schema give the ids that leave `cell` when divided by `cells`; those that do are left as they are."""
    for table, column in connection.execute(SEQUENCES_OF, {"schema": schema, "cells": cells}).fetchall():
        # The smallest id above 0 of this cell; the table is new, so nothing was counted yet.
        first = sql.Literal(cell or cells)
        statement = "ALTER TABLE {} ALTER COLUMN {} SET INCREMENT BY {} SET START WITH {} RESTART"
        connection.execute(sql.SQL(statement).format(sql.Identifier(schema, table), sql.Identifier(column), sql.Literal(cells), first))
