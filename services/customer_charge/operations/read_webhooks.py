"""Read webhook endpoints and the log of their deliveries."""

from collections.abc import Sequence
from operator import attrgetter

from services.customer_charge.domain.webhooks import Attempt, Endpoint
from services.customer_charge.storage import webhook_deliveries, webhooks
from shared.cells import Cells, merged
from shared.database import Connection, Database
from shared.errors import NotFound


async def get_endpoint(database: Database, endpoint_id: int, visible_vendors: Sequence[int] | None) -> Endpoint:
    """Return one endpoint of the visible vendors (None: all). Raises NotFound."""
    async with database.reading() as connection:
        return await _visible(connection, endpoint_id, visible_vendors)


async def list_endpoints(cells: Cells, visible_vendors: Sequence[int] | None, *, after_id: int, limit: int) -> list[Endpoint]:
    """Return up to `limit` endpoints of the visible vendors (None: all) in id order, above `after_id`."""

    async def page(database: Database) -> list[Endpoint]:
        async with database.reading() as connection:
            return await webhooks.list_endpoints(connection, visible_vendors=visible_vendors, after_id=after_id, limit=limit)

    pages = await cells.gather(page, cells.of_some(visible_vendors))
    return merged(pages, key=attrgetter("id"), limit=limit)


async def list_attempts(
    database: Database, endpoint_id: int, visible_vendors: Sequence[int] | None, *, before_id: str, limit: int
) -> tuple[Endpoint, Sequence[Attempt]]:
    """Return an endpoint and up to `limit` of its attempts, newest first, below `before_id`. Raises NotFound."""
    async with database.reading() as connection:
        endpoint = await _visible(connection, endpoint_id, visible_vendors)
        return endpoint, await webhook_deliveries.list_attempts(connection, endpoint_id, before_id=before_id, limit=limit)


async def _visible(connection: Connection, endpoint_id: int, visible_vendors: Sequence[int] | None) -> Endpoint:
    found = await webhooks.list_endpoints(connection, visible_vendors=visible_vendors, endpoint_id=endpoint_id)
    if not found:
        raise NotFound.of("webhook endpoint", endpoint_id)
    return found[0]
