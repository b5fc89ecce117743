"""Read credit requests, with who approved them."""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

from services.vendor_credit.domain.credit_requests import CreditRequest
from services.vendor_credit.storage import approvals, credit_requests
from shared.cells import Cells, merged
from shared.database import Connection, Database
from shared.errors import NotFound


async def get_credit_request(cells: Cells, request_id: int, visible_vendors: Sequence[int] | None) -> CreditRequest:
    """Return one request of the visible vendors (None: all). Raises NotFound, also for one that is not visible."""
    async with cells.of(request_id).reading() as connection:
        request = await credit_requests.get_request(connection, request_id, visible_vendors)
        if request is None:
            raise NotFound.of("credit request", request_id)
        return (await _with_approvals(connection, [request]))[0]


async def list_credit_requests(
    cells: Cells, *, before_id: int, vendor_ids: Sequence[int] | None, state: int, limit: int
) -> list[CreditRequest]:
    """Return up to `limit` requests, newest first, below `before_id`; of the given vendors (None: all), in the given state (0: any).

    The newest are those with the highest ids; of requests of different cells that is only about the order of time.
    """

    async def read(database: Database) -> list[CreditRequest]:
        async with database.reading() as connection:
            found = await credit_requests.list_requests(connection, before_id=before_id, vendor_ids=vendor_ids, state=state, limit=limit)
            return await _with_approvals(connection, found)

    pages = await cells.gather(read, cells.of_some(vendor_ids))
    return merged(pages, key=attrgetter("id"), newest_first=True, limit=limit)


async def _with_approvals(connection: Connection, found: Sequence[CreditRequest]) -> list[CreditRequest]:
    given = await approvals.approvals_of(connection, [request.id for request in found]) if found else {}
    return [replace(request, approvals=tuple(given[request.id])) for request in found]
