"""Check all books and audit logs and print them: `make audit`.

Stops nobody: it names the accounts that the scheduler's check of everything stops, and `make whole-check` at once.
Exits 0 when they are whole, 1 when they are not, 2 when a side is out of reach.
"""

import asyncio
import sys

from services.customer_charge.audit_logs import AuditLogs, AuditLogState
from services.customer_charge.operations.check_books import Books, accounts, check_books, mismatch_findings
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.vendor_ledger import VendorCreditClient
from shared.errors import Unavailable
from shared.guards import peer_tokens
from shared.settings import load_settings
from shared.tracing.opening import open_cells
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


async def audit(settings: CustomerChargeSettings) -> tuple[Books, list[AuditLogState]]:
    """Check all books and audit logs. Raises Unavailable."""
    cells = open_cells(None, settings.database_url, "customer_charge", settings.cells, pool_size=2, application_name="audit")
    tokens = peer_tokens(settings, "customer_charge")
    async with (
        open_channel(settings.vendor_credit_address, settings.tls) as channel,
        open_channel(settings.identity_address, settings.tls) as identity,
    ):
        await cells.open()
        try:
            client = VendorCreditClient(channel, lambda: tokens.token("vendor_credit"))
            books = await check_books(cells, client, timeout_seconds=TIMEOUT_SECONDS)
            return books, await AuditLogs(cells, channel, identity, tokens).check(timeout_seconds=TIMEOUT_SECONDS)
        finally:
            await cells.close()


def main() -> int:
    """Print the books, the ends of the audit logs, and what is wrong with them."""
    try:
        books, logs = asyncio.run(audit(load_settings(CustomerChargeSettings)))
    except Unavailable as error:
        print(f"the books could not be checked: {error.message}", file=sys.stderr)
        return 2
    for label, name in ROWS:
        print(f"{label:<22}{getattr(books, name):>24,}")
    for log in logs:
        print(f"audit log {log.service:<16}{log.head.last_seq:>20,}  ends in {log.head.last_hash.hex()}")
    findings = books.findings + [finding for log in logs for finding in log.findings]
    for finding in findings:
        print(f"BROKEN  {finding}")
    for kind, concerned in zip(("vendor", "customer"), accounts([*books.broken, *mismatch_findings(books)]), strict=True):
        for account_id, finding in sorted(concerned.items()):
            print(f"CONCERNS  {kind} {account_id}: {finding}")
    whole = not findings and not books.drift
    print("the books are whole" if whole else "THE BOOKS ARE NOT WHOLE")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
