"""Self-checks of reversals in the customer-charge schema, for the audit."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from services.customer_charge.domain.findings import Finding
from shared.database import Connection

UNMATCHED_ENTRIES = """
SELECT coalesce(reversal.id, entry.reference)::text, coalesce(reversal.customer_id, entry.customer_id)
FROM (SELECT id, vendor_id, customer_id, amount FROM reversals WHERE debited_at IS NOT NULL) AS reversal
FULL JOIN (SELECT reference, vendor_id, customer_id, amount FROM customer_entries WHERE kind = 2) AS entry
    ON entry.reference = reversal.id
WHERE reversal.id IS NULL OR entry.reference IS NULL
   OR (reversal.vendor_id, reversal.customer_id, -reversal.amount) <> (entry.vendor_id, entry.customer_id, entry.amount)
LIMIT 1000
"""

UNMATCHED_PENDING = """
SELECT coalesce(reversal.id, pending.reversal_id)::text, coalesce(reversal.customer_id, pending.customer_id)
FROM (SELECT id, charge_id, vendor_id, customer_id, amount FROM reversals WHERE state = 1) AS reversal
FULL JOIN pending_reversals AS pending ON pending.reversal_id = reversal.id
WHERE reversal.id IS NULL OR pending.reversal_id IS NULL
   OR (reversal.charge_id, reversal.vendor_id, reversal.customer_id, reversal.amount)
       <> (pending.charge_id, pending.vendor_id, pending.customer_id, pending.amount)
LIMIT 1000
"""

UNMATCHED_KEYS = """
SELECT coalesce(reversal.id, used.reversal_id)::text, coalesce(reversal.vendor_id, used.vendor_id)
FROM reversals AS reversal
FULL JOIN (SELECT reversal_id, vendor_id FROM charge_keys WHERE state = 3) AS used ON used.reversal_id = reversal.id
WHERE reversal.id IS NULL OR used.reversal_id IS NULL OR reversal.vendor_id <> used.vendor_id
LIMIT 1000
"""

MISCOUNTED_CHARGES = """
SELECT coalesce(charge.id, taken.charge_id)::text, coalesce(charge.customer_id, taken.customer_id)
FROM (
    SELECT id, vendor_id, customer_id, reserved_amount, reversed_amount FROM charges WHERE reserved_amount IS NOT NULL
) AS charge
FULL JOIN (
    SELECT charge_id, min(vendor_id) AS vendor_id, max(vendor_id) AS other_vendor_id, min(customer_id) AS customer_id,
           max(customer_id) AS other_customer_id,
           sum(amount) FILTER (WHERE state <> 3) AS reserved, sum(amount) FILTER (WHERE state = 2) AS done
    FROM reversals
    GROUP BY charge_id
) AS taken ON taken.charge_id = charge.id
WHERE charge.id IS NULL OR taken.charge_id IS NULL
   OR (charge.reserved_amount, charge.reversed_amount) <> (coalesce(taken.reserved, 0), coalesce(taken.done, 0))
   OR (charge.vendor_id, charge.vendor_id, charge.customer_id, charge.customer_id)
       <> (taken.vendor_id, taken.other_vendor_id, taken.customer_id, taken.other_customer_id)
LIMIT 1000
"""


async def self_findings(connection: Connection, *, sole: bool) -> list[Finding]:
    """Check reversals against the rest of this schema; return what is broken, at most a thousand of a kind. Needs a snapshot.

    As for charges a key is its vendor's, and all else of the customer. Where it is not the `sole` cell, entries are of reversals in all
    cells, and are not compared with them here.
    """
    found = []
    for query, sentence in (
        (UNMATCHED_ENTRIES, "reversal {}: its state and its customer entry disagree"),
        (UNMATCHED_PENDING, "reversal {}: its state and its pending row disagree"),
        (MISCOUNTED_CHARGES, "charge {}: what is reversed of it and its reversals disagree"),
    ):
        if query is UNMATCHED_ENTRIES and not sole:
            continue
        found += [
            Finding(sentence.format(subject), customer_id=customer_id, subject=subject)
            for subject, customer_id in await (await connection.execute(query)).fetchall()
        ]
    found += [
        Finding(f"reversal {reversal_id}: its idempotency key and the reversal disagree", vendor_id=vendor_id, subject=reversal_id)
        for reversal_id, vendor_id in await (await connection.execute(UNMATCHED_KEYS)).fetchall()
    ]
    return found


@dataclass(frozen=True, slots=True)
class ReversalBacklog:
    """How many reversals are left to do, how many of them are set aside, and when the oldest was accepted."""

    pending: int
    blocked: int
    oldest_at: datetime | None


READ_BACKLOG = """
SELECT count(*) AS pending, count(*) FILTER (WHERE blocked) AS blocked, min(accepted_at) AS oldest_at
FROM pending_reversals
"""


async def read_backlog(connection: Connection) -> ReversalBacklog:
    """Return the backlog."""
    async with connection.cursor(row_factory=class_row(ReversalBacklog)) as cursor:
        await cursor.execute(READ_BACKLOG)
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return row
