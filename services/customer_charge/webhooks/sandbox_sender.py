"""Posts the events of one customer twice, so that partners can test that they work on each once. In the development profile only."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from services.customer_charge.domain.webhooks import Outcome
from services.customer_charge.storage.customers import list_customers
from services.customer_charge.webhooks.sender import Post, WebhookSender
from shared.cells import Cells

DOUBLED_NUMBER = "+99900000006"
"""The phone number of the sandbox's customer with the duplicate events; no network has the country code 999."""


class SandboxSender(WebhookSender):
    """Sends as any other, and what is about charges of that customer once more under the same `webhook-id`, as after a lost answer."""

    def __init__(self, cells: Cells) -> None:
        super().__init__(development=True)
        self._cells = cells

    @asynccontextmanager
    async def session(self, url: str) -> AsyncIterator[Post]:
        """Yield what posts to the URL."""
        async with super().session(url) as post:

            async def post_doubled(headers: Mapping[str, str], body: bytes) -> Outcome:
                outcome = await post(headers, body)
                return await post(headers, body) if outcome.delivered and await self._doubled(body) else outcome

            yield post_doubled

    async def _doubled(self, body: bytes) -> bool:
        """Tell whether a message is about a charge of the customer."""
        charge = json.loads(body)["data"].get("charge")
        if charge is None:
            return False
        async with self._cells.of(charge["customer"]).reading() as connection:
            found = await list_customers(connection, visible_vendors=None, customer_id=charge["customer"])
        return any(customer.phone_number == DOUBLED_NUMBER for customer in found)
