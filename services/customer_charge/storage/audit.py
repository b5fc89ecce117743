"""Facts and self-checks of the customer-charge schema, for the audit."""

from dataclasses import dataclass

from psycopg.rows import class_row

from services.customer_charge.domain.findings import Finding
from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all customers and charges; amounts in minor units."""

    charges: int
    customer_balance_total: int
    entry_total: int


READ_TOTALS = """
SELECT (SELECT count(*) FROM charges) AS charges,
       (SELECT coalesce(sum(balance), 0) FROM customers)::bigint AS customer_balance_total,
       (SELECT coalesce(sum(amount), 0) FROM customer_entries)::bigint AS entry_total
"""


async def read_totals(connection: Connection) -> Totals:
    """Return the sums."""
    async with connection.cursor(row_factory=class_row(Totals)) as cursor:
        await cursor.execute(READ_TOTALS)
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return row


BROKEN_ENTRIES = """
SELECT customer_id, seq
FROM (
    SELECT customer_id, seq, balance_after, row_number() OVER ledger AS expected_seq, sum(amount) OVER ledger AS expected_balance
    FROM customer_entries
    WINDOW ledger AS (PARTITION BY customer_id ORDER BY seq)
) AS entry
WHERE seq <> expected_seq OR balance_after <> expected_balance
LIMIT 1000
"""

BROKEN_HEADS = """
SELECT customers.id
FROM customers
LEFT JOIN (SELECT customer_id, count(*) AS entries, sum(amount) AS total FROM customer_entries GROUP BY customer_id) AS ledger
    ON ledger.customer_id = customers.id
WHERE customers.balance <> coalesce(ledger.total, 0) OR customers.last_seq <> coalesce(ledger.entries, 0)
LIMIT 1000
"""

UNMATCHED_ENTRIES = """
SELECT coalesce(charge.id, entry.reference)::text, coalesce(charge.customer_id, entry.customer_id)
FROM (SELECT id, vendor_id, customer_id, amount FROM charges WHERE state = 2) AS charge
FULL JOIN (SELECT reference, vendor_id, customer_id, amount FROM customer_entries WHERE kind = 1) AS entry ON entry.reference = charge.id
WHERE charge.id IS NULL OR entry.reference IS NULL
   OR (charge.vendor_id, charge.customer_id, charge.amount) <> (entry.vendor_id, entry.customer_id, entry.amount)
LIMIT 1000
"""

UNMATCHED_PENDING = """
SELECT coalesce(charge.id, pending.charge_id)::text, coalesce(charge.customer_id, pending.customer_id)
FROM (SELECT id, vendor_id, customer_id, amount FROM charges WHERE state = 1) AS charge
FULL JOIN pending_charges AS pending ON pending.charge_id = charge.id
WHERE charge.id IS NULL OR pending.charge_id IS NULL
   OR (charge.vendor_id, charge.customer_id, charge.amount) <> (pending.vendor_id, pending.customer_id, pending.amount)
LIMIT 1000
"""

UNMATCHED_KEYS = """
SELECT coalesce(charge.id, used.charge_id)::text, coalesce(charge.vendor_id, used.vendor_id)
FROM charges AS charge
FULL JOIN (SELECT charge_id, vendor_id, customer_id, amount FROM charge_keys WHERE state = 1) AS used ON used.charge_id = charge.id
WHERE charge.id IS NULL OR used.charge_id IS NULL
   OR (charge.vendor_id, charge.customer_id, charge.amount) <> (used.vendor_id, used.customer_id, used.amount)
LIMIT 1000
"""


async def self_findings(connection: Connection, *, sole: bool) -> list[Finding]:
    """Check this schema against itself; return what is broken, at most a thousand of a kind. Needs a snapshot.

    A key is its vendor's: without it the vendor could be charged twice. All else here is of the customer. Where it is not the `sole` cell,
    entries are of charges in all cells, and are not compared with them here.
    """
    found = [
        Finding(f"customer {customer_id} entry {seq}: seq or balance_after is wrong", customer_id=customer_id)
        for customer_id, seq in await (await connection.execute(BROKEN_ENTRIES)).fetchall()
    ]
    found += [
        Finding(f"customer {customer_id}: the balance is not what its ledger says", customer_id=customer_id)
        for (customer_id,) in await (await connection.execute(BROKEN_HEADS)).fetchall()
    ]
    for query, rule in (
        (UNMATCHED_ENTRIES, "its state and its customer entry disagree"),
        (UNMATCHED_PENDING, "its state and its pending row disagree"),
    ):
        if query is UNMATCHED_ENTRIES and not sole:
            continue
        found += [
            Finding(f"charge {charge_id}: {rule}", customer_id=customer_id, subject=charge_id)
            for charge_id, customer_id in await (await connection.execute(query)).fetchall()
        ]
    found += [
        Finding(f"charge {charge_id}: its idempotency key and the charge disagree", vendor_id=vendor_id, subject=charge_id)
        for charge_id, vendor_id in await (await connection.execute(UNMATCHED_KEYS)).fetchall()
    ]
    return found
