"""What the commands of all archives have in common."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from shared.archive.errors import BadArchive, NotYet
from shared.database import Database
from shared.errors import ChargingError

T = TypeVar("T")


def exit_status(command: Callable[[], int]) -> int:
    """Run a command and say on stderr what is wrong: 1 for what is broken, 2 for what could not be asked or is not over yet."""
    try:
        return command()
    except BadArchive as error:
        print(f"BROKEN  {error}", file=sys.stderr)
        return 1
    except (ChargingError, NotYet) as error:
        print(error, file=sys.stderr)
        return 2


async def for_each_schema(
    url: str, schemas: Sequence[str], archive: Callable[[Database, str], Awaitable[T]], tell: Callable[[T], None]
) -> None:
    """Run `archive` for one schema after the other, each through a database of its own, and `tell` what it returns."""
    for schema in schemas:
        database = Database(url, schema, pool_size=2, application_name="archive")
        await database.open()
        try:
            tell(await archive(database, schema))
        finally:
            await database.close()
