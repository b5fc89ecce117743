"""What an administrator does in the database, whatever the number of its cells.

A statement names each table with its service, say `vendor_credit.vendors`, and is carried out in every cell.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from shared.cell_numbers import schema_of

Parameters = Mapping[str, Any] | Sequence[Any] | None

SERVICE = re.compile(r"\b(vendor_credit|customer_charge)\.")
CELLS = "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^vendor_credit(_[0-9]{2})?$'"


def in_cells(connection: psycopg.Connection[Any], statement: str) -> list[bytes]:
    """Return the statement as it is for each cell; one that names no table of a service in cells is for the whole database."""
    if not SERVICE.search(statement):
        return [statement.encode()]
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        found = cursor.execute(CELLS).fetchone()
    assert found is not None
    cells = int(found[0])
    return [SERVICE.sub(lambda match: f"{schema_of(match[1], cell, cells)}.", statement).encode() for cell in range(cells)]  # noqa: B023


def rows_in_cells(connection: psycopg.Connection[Any], statement: str, parameters: Parameters = None) -> list[Any]:
    """Return the rows of all cells, those of the first cell first."""
    return [row for one in in_cells(connection, statement) for row in connection.execute(one, parameters).fetchall()]


def count_in_cells(connection: psycopg.Connection[Any], statement: str, parameters: Parameters = None) -> int:
    """Return the sum of the one number that the statement gives in each cell."""
    return sum(int(row[0]) for row in rows_in_cells(connection, statement, parameters))


def change_in_cells(connection: psycopg.Connection[Any], statement: str, parameters: Parameters = None) -> int:
    """Carry out a statement that returns no rows; return how many rows it wrote in all cells."""
    return sum(connection.execute(one, parameters).rowcount for one in in_cells(connection, statement))
