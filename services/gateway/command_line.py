"""What the commands of the gateway have in common: a database connection for one job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg_pool import AsyncConnectionPool

from services.gateway.settings import GatewaySettings


@asynccontextmanager
async def one_connection(settings: GatewaySettings) -> AsyncIterator[AsyncConnectionPool]:
    """Give a pool of one connection to the gateway's schema."""
    kwargs = {"autocommit": True, "options": f"-c search_path={settings.database_schema}"}
    async with AsyncConnectionPool(settings.database_url, kwargs=kwargs, min_size=1, max_size=1, open=False) as pool:
        yield pool
