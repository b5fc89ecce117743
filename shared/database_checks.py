"""What a service asks of its PostgreSQL before it serves."""

from typing import Literal

import psycopg
import structlog

DURABILITY_SQL = """
SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
    current_setting('synchronous_standby_names')
"""

log = structlog.get_logger(__name__)


class DatabaseNotDurable(Exception):
    """The server may lose what it said is committed; the message names the setting."""


async def check_durability(connection: "psycopg.AsyncConnection[object]", profile: Literal["development", "production"]) -> None:
    """Refuse a server that could lose a committed charge. In the development profile anything goes. Raises DatabaseNotDurable.

    `synchronous_commit` is looked at as this connection has it, so a role's or a database's own setting counts too. Every value but `off`
    waits for the local disk at least; `local` waits for no standby, so it is refused where a synchronous standby is named: somebody set one
    up, and these commits would go without. How many copies a commit has is logged, for whoever believed that there were two.
    """
    if profile == "development":
        return
    cursor = connection.cursor(row_factory=psycopg.rows.tuple_row)
    row = await (await cursor.execute(DURABILITY_SQL)).fetchone()
    assert row is not None  # noqa: S101 - a SELECT of constants has one row
    settings = dict(zip(("fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names"), row, strict=True))
    standbys = settings.pop("synchronous_standby_names")
    weak = [f"{name}={value}" for name, value in settings.items() if value == "off"]
    if weak:
        raise DatabaseNotDurable(
            f"PostgreSQL runs with {', '.join(weak)}: committed charges could be lost; only the development profile allows it"
        )
    if standbys and settings["synchronous_commit"] == "local":
        raise DatabaseNotDurable(
            f"PostgreSQL runs with synchronous_commit=local beside synchronous_standby_names={standbys}: commits would not wait for the"
            " standby, and committed charges could be lost with the machine; only the development profile allows it"
        )
    log.info("database.durability", synchronous_standby_names=standbys, **settings)
