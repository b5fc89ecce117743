"""Vendors as accounts: the locked heads of their ledgers, and the entries."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from psycopg import AsyncCursor
from psycopg.rows import args_row, class_row

from services.vendor_credit.domain.ledger import Account, Entry, EntryKind
from shared.database import Connection, Cursor, Written, expect_rows
from shared.sql_arrays import bytes_array, int_array, text_array, time_array

LOCK_ACCOUNTS = """
SELECT id AS vendor_id, balance, credit_limit, suspended, last_seq, last_hash, last_entry_at, low_balance_threshold,
       stopped_at IS NOT NULL AS stopped, duplicate_window_seconds
FROM vendors
WHERE id = ANY(%(vendor_ids)s::bigint[])
ORDER BY id
FOR UPDATE
"""


async def lock_accounts(connection: Connection, vendor_ids: Iterable[int]) -> dict[int, Account]:
    """Lock the vendors, in id order so that two batches never wait for each other in a circle, and return their heads.

    A single-table FOR UPDATE returns each row as it is once its lock is held, so what comes back is current.
    """
    return {account.vendor_id: account for account in await (await send_lock(connection, vendor_ids)).fetchall()}


async def send_lock(connection: Connection, vendor_ids: Iterable[int]) -> AsyncCursor[Account]:
    """Lock the vendors like `lock_accounts`; the rows are their heads."""
    cursor = connection.cursor(row_factory=args_row(Account))
    return await cursor.execute(LOCK_ACCOUNTS, {"vendor_ids": int_array(sorted(set(vendor_ids)))})


INSERT_ENTRIES = """
INSERT INTO vendor_entries (vendor_id, seq, amount, balance_after, kind, reference, created_at, hash)
SELECT item.vendor_id, item.seq, item.amount, item.balance_after, item.kind, item.reference, item.created_at, item.hash
FROM (
    SELECT unnest(%(vendor_ids)s::bigint[]) AS vendor_id, unnest(%(seqs)s::bigint[]) AS seq, unnest(%(amounts)s::bigint[]) AS amount,
        unnest(%(balances)s::bigint[]) AS balance_after, unnest(%(kinds)s::smallint[]) AS kind, unnest(%(references)s::text[]) AS reference,
        unnest(%(times)s::timestamptz[]) AS created_at, unnest(%(hashes)s::bytea[]) AS hash
    FROM cell
) AS item
"""


async def insert_entries(connection: Connection, entries: Sequence[Entry]) -> Cursor:
    """Append the entries; the caller checks that all were written."""
    return await connection.execute(
        INSERT_ENTRIES,
        {
            "vendor_ids": int_array([entry.vendor_id for entry in entries]),
            "seqs": int_array([entry.seq for entry in entries]),
            "amounts": int_array([entry.amount for entry in entries]),
            "balances": int_array([entry.balance_after for entry in entries]),
            "kinds": int_array([entry.kind for entry in entries]),
            "references": text_array([entry.reference for entry in entries]),
            "times": time_array([entry.created_at for entry in entries]),
            "hashes": bytes_array([entry.hash for entry in entries]),
        },
    )


UPDATE_ACCOUNTS = """
UPDATE vendors
SET balance = item.balance, last_seq = item.last_seq, last_hash = item.last_hash, last_entry_at = item.last_entry_at
FROM unnest(
    %(vendor_ids)s::bigint[], %(balances)s::bigint[], %(seqs)s::bigint[], %(hashes)s::bytea[], %(times)s::timestamptz[]
) AS item (vendor_id, balance, last_seq, last_hash, last_entry_at)
WHERE vendors.id = item.vendor_id
"""


async def update_accounts(connection: Connection, accounts: Sequence[Account]) -> Cursor:
    """Write the heads back, one update per vendor however many entries moved it; the caller checks that all were written."""
    return await connection.execute(
        UPDATE_ACCOUNTS,
        {
            "vendor_ids": int_array([account.vendor_id for account in accounts]),
            "balances": int_array([account.balance for account in accounts]),
            "seqs": int_array([account.last_seq for account in accounts]),
            "hashes": bytes_array([account.last_hash for account in accounts]),
            "times": time_array([account.last_entry_at for account in accounts]),
        },
    )


async def send_postings(connection: Connection, accounts: Mapping[int, Account], entries: Sequence[Entry]) -> list[Written]:
    """Write the entries and the heads of the accounts they moved; returns what was sent and how many rows it must write."""
    if not entries:
        return []
    moved = [accounts[vendor_id] for vendor_id in sorted({entry.vendor_id for entry in entries})]
    return [
        (await insert_entries(connection, entries), len(entries), "entries"),
        (await update_accounts(connection, moved), len(moved), "balances"),
    ]


async def write_postings(connection: Connection, accounts: Mapping[int, Account], entries: Sequence[Entry]) -> None:
    """Write like `send_postings`, and check that all was written."""
    for cursor, rows, what in await send_postings(connection, accounts, entries):
        expect_rows(cursor, rows, what)


BALANCES_AFTER_CHARGES = """
SELECT reference, balance_after
FROM vendor_entries
WHERE kind = 2 AND reference = ANY(%(charge_ids)s::text[])
"""


async def balances_after_charges(connection: Connection, charge_ids: Iterable[str]) -> dict[str, int]:
    """Return what each vendor held right after these charges were debited, in minor units, by charge id."""
    cursor = await connection.execute(BALANCES_AFTER_CHARGES, {"charge_ids": text_array(charge_ids)})
    return {row[0]: row[1] for row in await cursor.fetchall()}


LIST_ENTRIES = """
SELECT vendor_id, seq, amount, balance_after, kind, reference, created_at, hash
FROM vendor_entries
WHERE vendor_id = %(vendor_id)s
  AND seq < %(before_seq)s
  AND (%(start)s::timestamptz IS NULL OR created_at >= %(start)s)
  AND (%(stop)s::timestamptz IS NULL OR created_at < %(stop)s)
ORDER BY seq DESC
LIMIT %(limit)s
"""


async def list_entries(
    connection: Connection, vendor_id: int, *, before_seq: int, start: datetime | None, stop: datetime | None, limit: int
) -> list[Entry]:
    """Return entries of one vendor, newest first, below `before_seq`."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(LIST_ENTRIES, {"vendor_id": vendor_id, "before_seq": before_seq, "start": start, "stop": stop, "limit": limit})
        return await cursor.fetchall()


FIND_ENTRIES = """
SELECT vendor_id, seq, amount, balance_after, kind, reference, created_at, hash
FROM vendor_entries
WHERE kind = ANY(%(kinds)s::smallint[]) AND reference = %(reference)s AND vendor_id = %(vendor_id)s
ORDER BY seq DESC
"""


async def find_entries(connection: Connection, vendor_id: int, reference: str) -> list[Entry]:
    """Return the entries of one vendor with this reference, newest first. All kinds are named because the index begins with them."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(FIND_ENTRIES, {"kinds": int_array(EntryKind), "reference": reference, "vendor_id": vendor_id})
        return await cursor.fetchall()


READ_HEADS = """
SELECT id AS vendor_id, balance, credit_limit, suspended, last_seq, last_hash, last_entry_at, low_balance_threshold,
       stopped_at IS NOT NULL AS stopped
FROM vendors
ORDER BY id
"""


async def read_heads(connection: Connection) -> list[Account]:
    """Return the heads of all ledgers."""
    async with connection.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(READ_HEADS)
        return await cursor.fetchall()


STREAM_ENTRIES = """
SELECT vendor_id, seq, amount, balance_after, kind, reference, created_at, hash
FROM vendor_entries
WHERE vendor_id = %(vendor_id)s AND seq > %(after_seq)s
ORDER BY seq
"""


async def stream_entries(connection: Connection, vendor_id: int, *, after_seq: int = 0) -> AsyncIterator[Entry]:
    """Yield the entries of one vendor above `after_seq`, oldest first, a few thousand in memory at a time. Needs a transaction."""
    async with connection.cursor("vendor_entries", row_factory=class_row(Entry)) as cursor:
        cursor.itersize = 5_000
        await cursor.execute(STREAM_ENTRIES, {"vendor_id": vendor_id, "after_seq": after_seq})
        async for entry in cursor:
            yield entry
