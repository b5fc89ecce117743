"""Check all books and print them: `make audit`. Exits 0 when they are whole, 1 when they are not, 2 when a side is out of reach."""

import asyncio
import sys

from services.customer_charge.operations.check_books import Books, check_books
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.vendor_ledger import VendorCreditClient
from shared.database import Database
from shared.errors import Unavailable
from shared.guards import peer_tokens
from shared.settings import load_settings
from shared.transport.channels import open_channel

TIMEOUT_SECONDS = 3_600.0
"""Every entry is read: an hour is enough for some hundred million."""

ROWS = (
    ("confirmed credit", "confirmed_credit_total"),
    ("vendor balances", "vendor_balance_total"),
    ("customer balances", "customer_balance_total"),
    ("under way", "under_way_total"),
    ("drift", "drift"),
    ("charges", "charges"),
    ("pending charges", "pending_charges"),
    ("oldest pending, ms", "oldest_pending_ms"),
    ("pending reversals", "pending_reversals"),
)


async def audit(settings: CustomerChargeSettings) -> Books:
    """Check all books. Raises Unavailable."""
    database = Database(settings.database_url, settings.database_schema, pool_size=2, application_name="audit")
    tokens = peer_tokens(settings, "customer_charge")
    async with open_channel(settings.vendor_credit_address) as channel:
        await database.open()
        try:
            client = VendorCreditClient(channel, lambda: tokens.token("vendor_credit"))
            return await check_books(database, client, timeout_seconds=TIMEOUT_SECONDS)
        finally:
            await database.close()


def main() -> int:
    """Print the books and what is wrong with them."""
    try:
        books = asyncio.run(audit(load_settings(CustomerChargeSettings)))
    except Unavailable as error:
        print(f"the books could not be checked: {error.message}", file=sys.stderr)
        return 2
    for label, name in ROWS:
        print(f"{label:<22}{getattr(books, name):>24,}")
    for finding in books.findings:
        print(f"BROKEN  {finding}")
    print("the books are whole" if not books.findings and not books.drift else "THE BOOKS ARE NOT WHOLE")
    return 1 if books.findings or books.drift else 0


if __name__ == "__main__":
    sys.exit(main())
