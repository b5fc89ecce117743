"""The check of all books and audit logs, by the code of `make audit`, in this process."""

import asyncio
from collections.abc import Mapping

from services.customer_charge.audit import audit
from services.customer_charge.settings import CustomerChargeSettings


def check_all_books(environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the books of a running stack, one sentence each; `environment` is the stack's."""
    settings = CustomerChargeSettings(
        cells=int(environment.get("CHARGING_CELLS", "1")),
        database_url=environment["CHARGING_CUSTOMER_CHARGE_DATABASE_URL"],
        vendor_credit_address=environment["CHARGING_VENDOR_CREDIT_ADDRESS"],
        identity_address=environment["CHARGING_IDENTITY_ADDRESS"],
        keys_dir=environment["CHARGING_KEYS_DIR"],
        profile="development",
    )
    books, logs = asyncio.run(audit(settings))
    findings = [*books.findings, *(finding for log in logs for finding in log.findings)]
    return [*findings, *([f"drift of {books.drift}"] if books.drift else [])]
