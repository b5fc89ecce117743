"""What is archived, read in pages: charges and reversals by the time in their ids, ledgers by customer."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from psycopg.rows import args_row

from services.customer_charge.domain.archived import ArchivedCharge, ArchivedReversal, Counted, Cut
from services.customer_charge.domain.ledger import Entry
from shared.database import Connection
from shared.sql_arrays import int_array

NAMED = 10
"""So many of those that are still open are named; a person starts with one."""

OPEN_CHARGES = """
SELECT charge_id::text, count(*) OVER ()
FROM pending_charges
WHERE charge_id >= %(first)s::uuid AND charge_id < %(until)s::uuid
ORDER BY pending_charges.charge_id
LIMIT %(limit)s
"""

OPEN_REVERSALS = """
SELECT reversal_id::text, count(*) OVER ()
FROM pending_reversals
WHERE reversal_id >= %(first)s::uuid AND reversal_id < %(until)s::uuid
ORDER BY pending_reversals.reversal_id
LIMIT %(limit)s
"""


async def open_charges(connection: Connection, *, first: str, until: str) -> tuple[list[str], int]:
    """Return the first of the charges with ids in [first, until) that are not final, and how many there are."""
    return await _open(connection, OPEN_CHARGES, first, until)


async def open_reversals(connection: Connection, *, first: str, until: str) -> tuple[list[str], int]:
    """Return the first of the reversals with ids in [first, until) that are not final, and how many there are."""
    return await _open(connection, OPEN_REVERSALS, first, until)


async def _open(connection: Connection, statement: str, first: str, until: str) -> tuple[list[str], int]:
    rows = await (await connection.execute(statement, {"first": first, "until": until, "limit": NAMED})).fetchall()
    return [row[0] for row in rows], rows[0][1] if rows else 0


LIST_CHARGES = """
SELECT id::text, vendor_id, customer_id, amount, state, failure_reason, available, shortfall, principal, created_at, settled_at,
    external_id, metadata::text, coalesce(allow_duplicate, false)
FROM charges
WHERE id > %(after)s::uuid AND id < %(until)s::uuid
ORDER BY charges.id
LIMIT %(limit)s
"""


async def list_charges(connection: Connection, *, after: str, until: str, limit: int) -> list[ArchivedCharge]:
    """Return charges with ids in (after, until), in order; those in state 1 are not final, and have no `settled_at`."""
    async with connection.cursor(row_factory=args_row(ArchivedCharge)) as cursor:
        await cursor.execute(LIST_CHARGES, {"after": after, "until": until, "limit": limit})
        return await cursor.fetchall()


LIST_REVERSALS = """
SELECT id::text, charge_id::text, vendor_id, customer_id, amount, asked_amount, reason, state, failure_reason, available, shortfall,
    principal, created_at, debited_at, settled_at
FROM reversals
WHERE id > %(after)s::uuid AND id < %(until)s::uuid
ORDER BY reversals.id
LIMIT %(limit)s
"""


async def list_reversals(connection: Connection, *, after: str, until: str, limit: int) -> list[ArchivedReversal]:
    """Return reversals with ids in (after, until), in order; those in state 1 are not final, and have no `settled_at`."""
    async with connection.cursor(row_factory=args_row(ArchivedReversal)) as cursor:
        await cursor.execute(LIST_REVERSALS, {"after": after, "until": until, "limit": limit})
        return await cursor.fetchall()


COUNT_CHARGES = """
SELECT count(*), count(*) FILTER (WHERE state = 2), coalesce(sum(amount) FILTER (WHERE state = 2), 0)
FROM charges
WHERE id >= %(first)s::uuid AND id < %(until)s::uuid
"""


async def count_charges(connection: Connection, *, first: str, until: str) -> Counted:
    """Count the charges with ids in [first, until)."""
    return await _counted(connection, COUNT_CHARGES, first, until)


COUNT_REVERSALS = """
SELECT count(*), count(*) FILTER (WHERE state = 2), coalesce(sum(amount) FILTER (WHERE state = 2), 0)
FROM reversals
WHERE id >= %(first)s::uuid AND id < %(until)s::uuid
"""


async def count_reversals(connection: Connection, *, first: str, until: str) -> Counted:
    """Count the reversals with ids in [first, until)."""
    return await _counted(connection, COUNT_REVERSALS, first, until)


async def _counted(connection: Connection, statement: str, first: str, until: str) -> Counted:
    row = await (await connection.execute(statement, {"first": first, "until": until})).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    # A sum of bigints is numeric.
    return Counted(row[0], row[1], int(row[2]))


# Entries are not always dated in the order of their numbers: two workers' clocks differ. A ledger is cut after the last entry that is dated
# before the moment, so what lies before a cut has no gap.
LIST_CUTS = """
SELECT customer.id, coalesce(opening.seq, 0), coalesce(opening.balance_after, 0),
    coalesce(closing.seq, 0), coalesce(closing.balance_after, 0)
FROM (SELECT id FROM customers WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) AS customer
LEFT JOIN LATERAL (
    SELECT seq, balance_after FROM customer_entries WHERE customer_id = customer.id AND created_at < %(start)s ORDER BY seq DESC LIMIT 1
) AS opening ON true
LEFT JOIN LATERAL (
    SELECT seq, balance_after FROM customer_entries WHERE customer_id = customer.id AND created_at < %(stop)s ORDER BY seq DESC LIMIT 1
) AS closing ON true
ORDER BY customer.id
"""


async def list_cuts(connection: Connection, *, after: int, start: datetime, stop: datetime, limit: int) -> list[Cut]:
    """Return the cuts of [start, stop) of the next customers above `after`, by id, also of those who had no entries yet."""
    async with connection.cursor(row_factory=args_row(Cut)) as cursor:
        await cursor.execute(LIST_CUTS, {"after": after, "start": start, "stop": stop, "limit": limit})
        return await cursor.fetchall()


READ_ENTRIES = """
SELECT entry.customer_id, entry.seq, entry.vendor_id, entry.amount, entry.balance_after, entry.kind, entry.reference::text, entry.created_at
FROM unnest(%(customer_ids)s::bigint[], %(openings)s::bigint[], %(closings)s::bigint[]) AS cut (customer_id, opening_seq, closing_seq)
JOIN customer_entries AS entry
    ON entry.customer_id = cut.customer_id AND entry.seq > cut.opening_seq AND entry.seq <= cut.closing_seq
ORDER BY entry.customer_id, entry.seq
"""


async def read_entries(connection: Connection, cuts: Sequence[Cut], *, page: int) -> AsyncGenerator[list[Entry], None]:
    """Yield the entries within the cuts by customer and seq, `page` at a time: a cursor on the server holds the rest.

    Its transaction lasts until all were taken, so that the caller asks for some hundred customers at a time.
    """
    values = {
        "customer_ids": int_array([cut.customer_id for cut in cuts]),
        "openings": int_array([cut.opening_seq for cut in cuts]),
        "closings": int_array([cut.closing_seq for cut in cuts]),
    }
    async with connection.transaction(), connection.cursor(name="archive", row_factory=args_row(Entry)) as cursor:
        await cursor.execute(READ_ENTRIES, values)
        while rows := await cursor.fetchmany(page):
            yield rows
