"""Check everything now and stop the accounts that are broken, as the scheduler does by day: `make whole-check`.

Exits 0 when the books are whole, 1 when they are not, 2 when a side is out of reach.
"""

import asyncio
import sys

from services.customer_charge.operations.check_books import Books
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.vendor_ledger import VendorCreditClient
from services.scheduler.whole_check import WholeChecker
from services.vendor_credit.settings import VendorCreditSettings
from shared.auth.peer_tokens import PEER_PREFIX
from shared.errors import Unavailable
from shared.guards import peer_tokens
from shared.settings import load_settings
from shared.tracing.opening import open_cells
from shared.transport.channels import open_channel

SERVICE = "scheduler"


async def check_now(vendor_credit: VendorCreditSettings, customer_charge: CustomerChargeSettings) -> Books:
    """Check everything, stop the accounts concerned, and return the books. Raises Unavailable."""
    tokens = peer_tokens(customer_charge, SERVICE)
    vendors = open_cells(None, vendor_credit.database_url, "vendor_credit", vendor_credit.cells, pool_size=1, application_name=SERVICE)
    charges = open_cells(
        None, customer_charge.database_url, "customer_charge", customer_charge.cells, pool_size=2, application_name=SERVICE
    )
    async with open_channel(customer_charge.vendor_credit_address, customer_charge.tls) as channel:
        await vendors.open()
        await charges.open()
        try:
            ledger = VendorCreditClient(channel, lambda: tokens.token("vendor_credit"))
            checker = WholeChecker(vendors, charges, ledger, customer_charge.whole_check_hours, f"{PEER_PREFIX}{SERVICE}")
            return await checker.run_once()
        finally:
            await vendors.close()
            await charges.close()


def main() -> int:
    """Print what is wrong with the books."""
    try:
        books = asyncio.run(check_now(load_settings(VendorCreditSettings), load_settings(CustomerChargeSettings)))
    except Unavailable as error:
        sys.stderr.write(f"the books could not be checked: {error.message}\n")
        return 2
    lines = [f"BROKEN  {finding}" for finding in books.findings]
    lines.append("THE BOOKS ARE NOT WHOLE: the accounts concerned are stopped" if books.findings else "the books are whole")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if books.findings else 0


if __name__ == "__main__":
    sys.exit(main())
