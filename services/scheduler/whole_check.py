"""The check of everything in both services' books, once a day: what the check of each minute has behind it is read again."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from services.customer_charge.operations.check_books import Books, VendorBooks, mismatch_findings
from services.customer_charge.operations.check_whole import check_whole, is_due
from services.vendor_credit.operations.stop_vendors import stop_vendors
from shared.cells import Cells
from shared.clock import utc_now

LOOK_SECONDS = 300
"""Between two looks at whether the check is due, and before the first one: a system that lives for minutes never checks everything."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class WholeChecker:
    """Checks everything, whenever the last check of everything is `hours` old."""

    vendors: Cells
    charges: Cells
    vendor_books: VendorBooks
    hours: float
    actor: str

    async def run_if_due(self) -> int:
        """Check everything if it is due, and return how many charges were read. Raises Unavailable: the next look tries again."""
        if not await is_due(self.charges, hours=self.hours, now=utc_now()):
            return 0
        return (await self.run_once()).charges

    async def run_once(self) -> Books:
        """Check everything, stop the accounts concerned, and return the books. Raises Unavailable."""
        books = await check_whole(self.charges, self.vendor_books, self._stop_vendors, actor=self.actor)
        for found in (*books.broken, *mismatch_findings(books)):
            log.error("books.broken", finding=found.sentence)
        return books

    async def _stop_vendors(self, findings: Mapping[int, str]) -> None:
        await stop_vendors(self.vendors, findings, actor=self.actor)
