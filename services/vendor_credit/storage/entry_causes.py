"""What vendor entries come from."""

from shared.database import Connection

BASELESS_ENTRY = """
SELECT entry.reference
FROM vendor_entries AS entry
LEFT JOIN debit_decisions AS decision
    ON entry.kind = 2
    AND decision.charge_id = CASE WHEN entry.kind = 2 AND entry.reference ~ %(uuid)s THEN entry.reference::uuid END
    AND (decision.outcome, decision.vendor_id, -decision.amount) = (1, entry.vendor_id, entry.amount)
LEFT JOIN credit_requests AS request
    ON entry.kind = 1
    AND request.id = CASE WHEN entry.kind = 1 AND entry.reference ~ '^[0-9]{1,18}$' THEN entry.reference::bigint END
    AND (request.state, request.vendor_id, request.amount) = (3, entry.vendor_id, entry.amount)
LEFT JOIN reversal_credits AS credit
    ON entry.kind = 3
    AND credit.reversal_id = CASE WHEN entry.kind = 3 AND entry.reference ~ %(uuid)s THEN entry.reference::uuid END
    AND (credit.vendor_id, credit.amount) = (entry.vendor_id, entry.amount)
WHERE entry.vendor_id = %(vendor_id)s AND entry.seq > %(after_seq)s
    AND decision.charge_id IS NULL AND request.id IS NULL AND credit.reversal_id IS NULL
ORDER BY entry.seq
LIMIT 1
"""

UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


async def find_baseless_entry(connection: Connection, vendor_id: int, *, after_seq: int) -> str | None:
    """Return the reference of the first entry above `after_seq` that no decision, request or reversal accounts for; None for none."""
    cursor = await connection.execute(BASELESS_ENTRY, {"vendor_id": vendor_id, "after_seq": after_seq, "uuid": UUID})
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


UNPOSTED_DEBITS = """
SELECT decision.charge_id::text
FROM debit_decisions AS decision
LEFT JOIN vendor_entries AS entry
    ON entry.kind = 2 AND entry.reference = decision.charge_id::text
    AND (entry.vendor_id, entry.amount) = (decision.vendor_id, -decision.amount)
WHERE decision.charge_id > %(after)s::uuid AND decision.charge_id <= %(until)s::uuid AND decision.outcome = 1 AND entry.vendor_id IS NULL
"""


async def unposted_debits(connection: Connection, *, after: str, until: str) -> set[str]:
    """Return the charges in (after, until] that were debited by decision and that no entry took from the vendor."""
    cursor = await connection.execute(UNPOSTED_DEBITS, {"after": after, "until": until})
    return {row[0] for row in await cursor.fetchall()}
