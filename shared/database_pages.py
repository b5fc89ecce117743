"""How PostgreSQL is to read the next rows of a table that grows at its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.database import Connection

IN_ORDER = """
SELECT set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)
"""


@asynccontextmanager
async def reading_in_order(connection: Connection) -> AsyncIterator[None]:
    """Let the statements inside go along their index, row by row, until their LIMIT; in one transaction.

    Left to itself the planner may merge the page with the whole of a table that it joins, from its first row: a page of the newest rows
    then costs what all rows before it cost. Or it expects a handful of ids beyond those it last looked at, whatever there is, and reads,
    joins and sorts all of them for each page.
    """
    async with connection.transaction():
        await connection.execute(IN_ORDER)
        yield
