"""What both services' databases hold about some vendors, read as it is, by SQL of these tests' own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from tests.cells import count_in_cells, rows_in_cells


@dataclass(frozen=True, slots=True)
class Facts:
    """Rows by table, as named tuples: everything of the vendors, and everything of the customers they charged."""

    vendors: list[Any]
    vendor_entries: list[Any]
    requests: list[Any]
    decisions: list[Any]
    charges: list[Any]
    keys: list[Any]
    pending: list[Any]
    customers: list[Any]
    customer_entries: list[Any]
    reversals: list[Any]
    reversal_credits: list[Any]
    pending_reversals: list[Any]
    feed_heads: list[Any]
    charge_events: list[Any]
    reversal_events: list[Any]
    fact_events: list[Any]

    @property
    def at_rest(self) -> bool:
        """Tell whether everything is final, by state and by what is left to do."""
        accepted = [row for row in (*self.charges, *self.reversals) if row.state == 1]
        return not (accepted or self.pending or self.pending_reversals)

    def seconds_to_final(self, healed_at: datetime) -> list[float]:
        """Return how long each charge that was not final at that time, or was accepted later, took from then on; sorted."""
        return sorted(
            max(0.0, (charge.settled_at - max(charge.created_at, healed_at)).total_seconds())
            for charge in self.charges
            if charge.settled_at is not None and charge.settled_at >= healed_at
        )


OF_VENDORS = {
    "vendors": """
        SELECT id, credit_limit, balance, last_seq, last_hash, stop_reason, low_balance_threshold, duplicate_window_seconds
        FROM vendor_credit.vendors WHERE id = ANY(%(vendors)s) ORDER BY id""",
    "vendor_entries": """
        SELECT vendor_id, seq, amount, balance_after, kind, reference, created_at, hash
        FROM vendor_credit.vendor_entries WHERE vendor_id = ANY(%(vendors)s) ORDER BY vendor_id, seq""",
    "requests": """
        SELECT id, vendor_id, amount, state, submitted_by, decided_by
        FROM vendor_credit.credit_requests WHERE vendor_id = ANY(%(vendors)s) ORDER BY id""",
    "decisions": """
        SELECT charge_id::text AS charge_id, vendor_id, amount, outcome, reason, available, shortfall
        FROM vendor_credit.debit_decisions WHERE vendor_id = ANY(%(vendors)s) ORDER BY 1""",
    "charges": """
        SELECT id::text AS id, vendor_id, customer_id, amount, state, failure_reason, created_at, settled_at,
            coalesce(reserved_amount, 0) AS reserved_amount, coalesce(reversed_amount, 0) AS reversed_amount
        FROM customer_charge.charges WHERE vendor_id = ANY(%(vendors)s) ORDER BY id""",
    "keys": """
        SELECT vendor_id, key, state, charge_id::text AS charge_id, customer_id, amount, reversal_id::text AS reversal_id
        FROM customer_charge.charge_keys WHERE vendor_id = ANY(%(vendors)s) ORDER BY vendor_id, key""",
    "pending": """
        SELECT charge_id::text AS charge_id, vendor_id, blocked
        FROM customer_charge.pending_charges WHERE vendor_id = ANY(%(vendors)s) ORDER BY 1""",
    "customers": """
        SELECT id, balance, last_seq, stop_reason FROM customer_charge.customers WHERE id = ANY(%(customers)s) ORDER BY id""",
    "customer_entries": """
        SELECT customer_id, seq, vendor_id, amount, balance_after, kind, reference::text AS reference, created_at
        FROM customer_charge.customer_entries
        WHERE customer_id = ANY(%(customers)s)
        ORDER BY customer_id, seq""",
    "reversals": """
        SELECT id::text AS id, charge_id::text AS charge_id, vendor_id, customer_id, amount, state
        FROM customer_charge.reversals WHERE vendor_id = ANY(%(vendors)s) ORDER BY id""",
    "reversal_credits": """
        SELECT reversal_id::text AS reversal_id, vendor_id, amount
        FROM vendor_credit.reversal_credits WHERE vendor_id = ANY(%(vendors)s) ORDER BY 1""",
    "pending_reversals": """
        SELECT reversal_id::text AS reversal_id FROM customer_charge.pending_reversals WHERE vendor_id = ANY(%(vendors)s) ORDER BY 1""",
    "feed_heads": "SELECT vendor_id, last_seq FROM customer_charge.event_heads WHERE vendor_id = ANY(%(vendors)s) ORDER BY 1",
    "charge_events": """
        SELECT vendor_id, last_seq, charge_ids::text[] AS charge_ids, vendor_balances
        FROM customer_charge.charge_events WHERE vendor_id = ANY(%(vendors)s) ORDER BY vendor_id, last_seq""",
    "reversal_events": """
        SELECT vendor_id, seq, reversal_id::text AS reversal_id, vendor_balance
        FROM customer_charge.reversal_events WHERE vendor_id = ANY(%(vendors)s) ORDER BY vendor_id, seq""",
    "fact_events": """
        SELECT vendor_id, seq, kind, entry_seq, vendor_balance, amount, request_id
        FROM customer_charge.fact_events WHERE vendor_id = ANY(%(vendors)s) ORDER BY vendor_id, seq""",
}


CUSTOMERS = "SELECT DISTINCT customer_id FROM customer_charge.charges WHERE vendor_id = ANY(%(vendors)s)"


def read_facts(admin_url: str, vendors: Sequence[int]) -> Facts:
    """Return the facts about these vendors, all of one moment. Their customers must be charged by nobody else."""
    with psycopg.connect(admin_url, row_factory=namedtuple_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        values = {"vendors": list(vendors)}
        # They live in cells of their own.
        customers = sorted({row.customer_id for row in rows_in_cells(connection, CUSTOMERS, values)})
        # Each query's first two columns are a key.
        return Facts(
            **{
                name: sorted(rows_in_cells(connection, query, values | {"customers": customers}), key=lambda row: row[:2])
                for name, query in OF_VENDORS.items()
            }
        )


def read_feed_heads(admin_url: str, vendors: Sequence[int]) -> list[Any]:
    """Return where the vendors' feeds stand now: cheap enough to ask again."""
    with psycopg.connect(admin_url, autocommit=True, row_factory=namedtuple_row) as connection:
        return sorted(rows_in_cells(connection, OF_VENDORS["feed_heads"], {"vendors": list(vendors)}))


UNSETTLED = """
SELECT (SELECT count(*) FROM customer_charge.pending_charges WHERE vendor_id = ANY(%(vendors)s))
     + (SELECT count(*) FROM vendor_credit.credit_requests WHERE vendor_id = ANY(%(vendors)s) AND state = 2)
     + (SELECT count(*) FROM customer_charge.pending_reversals WHERE vendor_id = ANY(%(vendors)s))
     + (SELECT count(*) FROM vendor_credit.fact_outbox WHERE vendor_id = ANY(%(vendors)s))
"""


def count_unsettled(admin_url: str, vendors: Sequence[int]) -> int:
    """Return how much is left to do for these vendors: charges, reversals, approved credit, and facts for the feed."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        return count_in_cells(connection, UNSETTLED, {"vendors": list(vendors)})
