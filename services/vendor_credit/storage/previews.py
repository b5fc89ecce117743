"""Vendors as a preview sees them: nothing is locked, and approved credit counts as posted."""

from collections.abc import Iterable

from psycopg.rows import class_row

from services.vendor_credit.domain.ledger import Account
from shared.database import Connection
from shared.sql_arrays import int_array

READ_ACCOUNTS = """
SELECT id AS vendor_id, credit_limit, suspended, last_seq, last_hash, last_entry_at, duplicate_window_seconds,
    stopped_at IS NOT NULL AS stopped,
    (balance + coalesce((SELECT sum(amount) FROM credit_requests WHERE vendor_id = vendors.id AND state = 2), 0))::bigint AS balance
FROM vendors
WHERE id = ANY(%(vendor_ids)s::bigint[])
"""


async def read_accounts(connection: Connection, vendor_ids: Iterable[int]) -> dict[int, Account]:
    """Return the vendors' accounts as a debit would find them: with the credit that it would post first.

    One statement, so that credit that is being posted counts once.
    """
    async with connection.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(READ_ACCOUNTS, {"vendor_ids": int_array(sorted(set(vendor_ids)))})
        return {account.vendor_id: account for account in await cursor.fetchall()}
