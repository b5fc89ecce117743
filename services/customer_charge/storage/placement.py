"""Rows that are not in the cell that their id tells: nobody would look for them there."""

from shared.database import Connection

MISPLACED = """
SELECT 'customer ' || id::text FROM customers WHERE mod(id, %(cells)s) <> %(cell)s
UNION ALL
SELECT 'customer ' || customer_id::text || ' entry ' || seq::text FROM customer_entries WHERE mod(customer_id, %(cells)s) <> %(cell)s
UNION ALL
SELECT 'charge ' || id::text FROM charges WHERE mod(vendor_id, %(cells)s) <> %(cell)s
UNION ALL
SELECT 'reversal ' || id::text FROM reversals WHERE mod(vendor_id, %(cells)s) <> %(cell)s
LIMIT 20
"""


async def misplaced(connection: Connection, cell: int, cells: int) -> list[str]:
    """Return names of rows that belong to another cell than this one, at most 20."""
    cursor = await connection.execute(MISPLACED, {"cell": cell, "cells": cells})
    return [row[0] for row in await cursor.fetchall()]
