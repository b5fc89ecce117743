"""Customers as accounts: the locked heads of their ledgers, and the entries."""

from collections.abc import Iterable, Sequence

from psycopg import AsyncCursor
from psycopg.rows import args_row, class_row

from services.customer_charge.domain.ledger import Account, Entry, EntryKind
from shared.database import Connection, Cursor, expect_rows
from shared.sql_arrays import int_array, time_array, uuid_array

LOCK_ACCOUNTS = """
SELECT id AS customer_id, balance, last_seq, stopped_at IS NOT NULL AS stopped
FROM customers
WHERE id = ANY(%(customer_ids)s::bigint[])
ORDER BY id
FOR UPDATE
"""


async def send_lock(connection: Connection, customer_ids: Iterable[int]) -> AsyncCursor[Account]:
    """Lock the customers, in id order so that two batches never wait for each other in a circle; the rows are their heads.

    A single-table FOR UPDATE returns each row as it is once its lock is held, so what comes back is current.
    """
    cursor = connection.cursor(row_factory=args_row(Account))
    return await cursor.execute(LOCK_ACCOUNTS, {"customer_ids": int_array(sorted(set(customer_ids)))})


async def lock_accounts(connection: Connection, customer_ids: Iterable[int]) -> dict[int, Account]:
    """Lock the customers like `send_lock` and return their heads by id."""
    heads = await send_lock(connection, customer_ids)
    return {account.customer_id: account for account in await heads.fetchall()}


INSERT_ENTRIES = """
INSERT INTO customer_entries (customer_id, seq, vendor_id, amount, balance_after, kind, reference, created_at)
SELECT item.customer_id, item.seq, item.vendor_id, item.amount, item.balance_after, item.kind, item.reference, item.created_at
FROM (
    SELECT unnest(%(customer_ids)s::bigint[]) AS customer_id, unnest(%(seqs)s::bigint[]) AS seq,
        unnest(%(vendor_ids)s::bigint[]) AS vendor_id, unnest(%(amounts)s::bigint[]) AS amount,
        unnest(%(balances)s::bigint[]) AS balance_after, unnest(%(kinds)s::smallint[]) AS kind,
        unnest(%(references)s::uuid[]) AS reference, unnest(%(times)s::timestamptz[]) AS created_at
    FROM cell
) AS item
"""


async def insert_entries(connection: Connection, entries: Sequence[Entry]) -> Cursor:
    """Append the entries; the caller checks that all were written."""
    return await connection.execute(
        INSERT_ENTRIES,
        {
            "customer_ids": int_array([entry.customer_id for entry in entries]),
            "seqs": int_array([entry.seq for entry in entries]),
            "vendor_ids": int_array([entry.vendor_id for entry in entries]),
            "amounts": int_array([entry.amount for entry in entries]),
            "balances": int_array([entry.balance_after for entry in entries]),
            "kinds": int_array([entry.kind for entry in entries]),
            "references": uuid_array([entry.reference for entry in entries]),
            "times": time_array([entry.created_at for entry in entries]),
        },
    )


UPDATE_ACCOUNTS = """
UPDATE customers
SET balance = item.balance, last_seq = item.last_seq
FROM unnest(%(customer_ids)s::bigint[], %(balances)s::bigint[], %(seqs)s::bigint[]) AS item (customer_id, balance, last_seq)
WHERE customers.id = item.customer_id
"""


async def update_accounts(connection: Connection, accounts: Sequence[Account]) -> Cursor:
    """Write heads that moved, one update per customer however many entries moved it; the caller checks that all were written."""
    return await connection.execute(
        UPDATE_ACCOUNTS,
        {
            "customer_ids": int_array([account.customer_id for account in accounts]),
            "balances": int_array([account.balance for account in accounts]),
            "seqs": int_array([account.last_seq for account in accounts]),
        },
    )


async def write_postings(connection: Connection, moved: Sequence[Account], entries: Sequence[Entry]) -> None:
    """Write entries and the heads they moved, and check that all were written. Not for pipelines, which learn of rows later."""
    expect_rows(await insert_entries(connection, entries), len(entries), "entries")
    expect_rows(await update_accounts(connection, moved), len(moved), "balances")


FIND_REFERENCES = """
SELECT reference::text
FROM customer_entries
WHERE kind = %(kind)s::smallint AND reference = ANY(%(references)s::uuid[])
"""


async def send_find_references(connection: Connection, kind: EntryKind, references: Sequence[str]) -> Cursor:
    """Look up entries of a kind; the rows are those of the references that have one."""
    return await connection.execute(FIND_REFERENCES, {"kind": int(kind), "references": uuid_array(references)})


LIST_ENTRIES = """
SELECT customer_id, seq, vendor_id, amount, balance_after, kind, reference::text AS reference, created_at
FROM customer_entries
WHERE customer_id = %(customer_id)s
  AND (
    %(before)s::uuid IS NULL
    OR seq < (SELECT seq FROM customer_entries WHERE customer_id = %(customer_id)s AND reference = %(before)s::uuid)
  )
  AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
ORDER BY seq DESC
LIMIT %(limit)s
"""


async def list_entries(
    connection: Connection, customer_id: int, *, before: str | None, visible_vendors: Sequence[int] | None, limit: int
) -> list[Entry]:
    """Return entries of one customer, newest first, older than the entry of charge `before`, caused by the visible vendors (None: all)."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(LIST_ENTRIES, {"customer_id": customer_id, "before": before, "vendor_ids": visible_vendors, "limit": limit})
        return await cursor.fetchall()


FIND_ENTRIES = """
SELECT customer_id, seq, vendor_id, amount, balance_after, kind, reference::text AS reference, created_at
FROM customer_entries
WHERE kind = ANY(%(kinds)s::smallint[])
  AND reference = %(reference)s::uuid
  AND customer_id = %(customer_id)s
  AND (%(vendor_ids)s::bigint[] IS NULL OR vendor_id = ANY(%(vendor_ids)s::bigint[]))
ORDER BY seq DESC
"""


async def find_entries(connection: Connection, customer_id: int, reference: str, visible_vendors: Sequence[int] | None) -> list[Entry]:
    """Return the entries of one customer with this reference, newest first. All kinds are named because the index begins with them."""
    wanted = {"kinds": int_array(EntryKind), "reference": reference, "customer_id": customer_id, "vendor_ids": visible_vendors}
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(FIND_ENTRIES, wanted)
        return await cursor.fetchall()
