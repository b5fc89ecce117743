"""What the commands of the gateway have in common: a database connection for one job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.gateway.settings import GatewaySettings
from shared.database import Database


@asynccontextmanager
async def open_database(settings: GatewaySettings) -> AsyncIterator[Database]:
    """Give the gateway's database, with one connection."""
    database = Database(settings.database_url, settings.database_schema, pool_size=1, application_name="gateway.command")
    await database.open()
    try:
        yield database
    finally:
        await database.close()
