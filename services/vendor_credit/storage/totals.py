"""Sums over the vendor ledger, for the audit."""

from dataclasses import dataclass

from psycopg.rows import class_row

from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums in minor units over all vendors."""

    entries: int
    confirmed_credit_total: int
    debited_total: int
    reversed_total: int
    approved_unposted_total: int
    decided_debit_total: int
    credited_reversal_total: int


READ_TOTALS = """
SELECT count(*) AS entries,
       coalesce(sum(amount) FILTER (WHERE kind = 1), 0)::bigint AS confirmed_credit_total,
       coalesce(-sum(amount) FILTER (WHERE kind = 2), 0)::bigint AS debited_total,
       coalesce(sum(amount) FILTER (WHERE kind = 3), 0)::bigint AS reversed_total,
       (SELECT coalesce(sum(amount), 0) FROM credit_requests WHERE state = 2)::bigint AS approved_unposted_total,
       (SELECT coalesce(sum(amount), 0) FROM debit_decisions WHERE outcome = 1)::bigint AS decided_debit_total,
       (SELECT coalesce(sum(amount), 0) FROM reversal_credits)::bigint AS credited_reversal_total
FROM vendor_entries
"""


async def read_totals(connection: Connection) -> Totals:
    """Return the sums."""
    async with connection.cursor(row_factory=class_row(Totals)) as cursor:
        await cursor.execute(READ_TOTALS)
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns a row
    return row


MISCONFIRMED = """
SELECT request.id, coalesce(entry.vendor_id, request.vendor_id)
FROM credit_requests AS request
LEFT JOIN vendor_entries AS entry ON entry.kind = 1 AND entry.reference = request.id::text
WHERE (request.state = 3) <> (entry.vendor_id IS NOT NULL)
   OR (entry.vendor_id IS NOT NULL AND (entry.vendor_id, entry.amount) <> (request.vendor_id, request.amount))
ORDER BY request.id
LIMIT 1000
"""


async def misconfirmed_requests(connection: Connection) -> list[tuple[int, int]]:
    """Return requests whose state and ledger entry contradict each other, and whose ledger it is."""
    cursor = await connection.execute(MISCONFIRMED)
    return [(row[0], row[1]) for row in await cursor.fetchall()]


MISDECIDED = """
SELECT coalesce(decision.charge_id::text, entry.reference), coalesce(entry.vendor_id, decision.vendor_id)
FROM (SELECT charge_id, vendor_id, amount FROM debit_decisions WHERE outcome = 1) AS decision
FULL JOIN (SELECT reference, vendor_id, amount FROM vendor_entries WHERE kind = 2) AS entry ON entry.reference = decision.charge_id::text
WHERE decision.charge_id IS NULL OR entry.reference IS NULL OR (decision.vendor_id, decision.amount) <> (entry.vendor_id, -entry.amount)
LIMIT 1000
"""


async def misdecided_charges(connection: Connection) -> list[tuple[str, int]]:
    """Return charges whose decision and ledger entry contradict each other, and whose ledger it is."""
    cursor = await connection.execute(MISDECIDED)
    return [(row[0], row[1]) for row in await cursor.fetchall()]
