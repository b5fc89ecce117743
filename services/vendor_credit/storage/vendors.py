"""Vendors as their owners and operators see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared.database import Connection
from shared.documents.chain import GENESIS_HASH


@dataclass(frozen=True, slots=True)
class Vendor:
    """A reseller; amounts in minor units."""

    id: int
    name: str
    balance: int
    credit_limit: int
    low_balance_threshold: int
    duplicate_window_seconds: int
    suspended: bool
    stopped: bool
    created_at: datetime
    updated_at: datetime


NEXT_VENDOR_ID = "SELECT nextval(pg_get_serial_sequence('vendors', 'id'))"


async def next_vendor_id(connection: Connection) -> int:
    """Return an id that no vendor has."""
    cursor = await connection.execute(NEXT_VENDOR_ID)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - nextval always returns a row
    return int(row[0])


INSERT_VENDOR = """
INSERT INTO vendors (
    id, name, credit_limit, low_balance_threshold, duplicate_window_seconds, suspended, balance, last_seq, last_hash, last_entry_at,
    created_at, updated_at
)
VALUES (%(id)s, %(name)s, %(credit_limit)s, %(threshold)s, %(window)s, false, 0, 0, %(genesis)s, %(now)s, %(now)s, %(now)s)
"""


async def insert_vendor(
    connection: Connection,
    vendor_id: int,
    *,
    name: str,
    credit_limit: int,
    low_balance_threshold: int,
    duplicate_window_seconds: int,
    now: datetime,
) -> None:
    """Add a vendor with an empty ledger."""
    await connection.execute(
        INSERT_VENDOR,
        {
            "id": vendor_id,
            "name": name,
            "credit_limit": credit_limit,
            "threshold": low_balance_threshold,
            "window": duplicate_window_seconds,
            "genesis": GENESIS_HASH,
            "now": now,
        },
    )


GET_VENDOR = """
SELECT id, name, balance, credit_limit, low_balance_threshold, duplicate_window_seconds, suspended, stopped_at IS NOT NULL AS stopped,
    created_at, updated_at
FROM vendors
WHERE id = %(id)s
"""


async def get_vendor(connection: Connection, vendor_id: int) -> Vendor | None:
    """Return one vendor, or None."""
    async with connection.cursor(row_factory=class_row(Vendor)) as cursor:
        await cursor.execute(GET_VENDOR, {"id": vendor_id})
        return await cursor.fetchone()


LIST_VENDORS = """
SELECT id, name, balance, credit_limit, low_balance_threshold, duplicate_window_seconds, suspended, stopped_at IS NOT NULL AS stopped,
    created_at, updated_at
FROM vendors
WHERE id > %(after_id)s
  AND (%(search)s = '' OR position(lower(%(search)s) IN lower(name)) > 0 OR id::text = %(search)s)
ORDER BY id
LIMIT %(limit)s
"""


async def list_vendors(connection: Connection, *, after_id: int, search: str = "", limit: int) -> list[Vendor]:
    """Return vendors in id order, above `after_id`, whose name contains `search`, or whose id it is."""
    async with connection.cursor(row_factory=class_row(Vendor)) as cursor:
        await cursor.execute(LIST_VENDORS, {"after_id": after_id, "search": search, "limit": limit})
        return await cursor.fetchall()


UPDATE_VENDOR = """
UPDATE vendors
SET name = %(name)s, credit_limit = %(credit_limit)s, low_balance_threshold = %(threshold)s,
    duplicate_window_seconds = %(window)s, suspended = %(suspended)s, updated_at = %(now)s
WHERE id = %(id)s
"""


async def update_vendor(
    connection: Connection,
    vendor_id: int,
    *,
    name: str,
    credit_limit: int,
    low_balance_threshold: int,
    duplicate_window_seconds: int,
    suspended: bool,
    now: datetime,
) -> None:
    """Write the fields an operator may set. The caller holds the vendor's lock."""
    await connection.execute(
        UPDATE_VENDOR,
        {
            "id": vendor_id,
            "name": name,
            "credit_limit": credit_limit,
            "threshold": low_balance_threshold,
            "window": duplicate_window_seconds,
            "suspended": suspended,
            "now": now,
        },
    )


EXISTING_VENDORS = "SELECT id FROM vendors WHERE id = ANY(%(vendor_ids)s::bigint[]) ORDER BY id"


async def existing_vendors(connection: Connection, vendor_ids: Sequence[int]) -> list[int]:
    """Return those of the ids that exist."""
    cursor = await connection.execute(EXISTING_VENDORS, {"vendor_ids": list(vendor_ids)})
    return [row[0] for row in await cursor.fetchall()]
