"""Pages of the newest rows cost what a page costs, however many rows lie before them."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from services.customer_charge.domain.charge_ids import LAST_ID
from services.customer_charge.storage import charge_facts
from shared.database import Connection
from tests.databases import Databases
from tests.integration.money import Money, open_money

CHARGES, PAGE = 20_000, 1_000

FILL = """
WITH made AS (
    INSERT INTO charges (id, vendor_id, customer_id, amount, state, principal, created_at, settled_at)
    SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 1, %(customer_id)s, 1, 2, 'p', now(), now()
    FROM generate_series(1, %(charges)s::int) AS number
    RETURNING id
)
INSERT INTO customer_entries (customer_id, seq, amount, balance_after, kind, reference, vendor_id, created_at)
SELECT %(customer_id)s, row_number() OVER ids, 1, row_number() OVER ids, 1, id, 1, now()
FROM made
WINDOW ids AS (ORDER BY id)
"""


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


def fill(databases: Databases, customer_id: int) -> None:
    """Write charges and their entries, and let the planner look at them."""
    with psycopg.connect(databases.admin_url, options="-c search_path=customer_charge", autocommit=True) as owner:
        owner.execute("ALTER TABLE charges SET (autovacuum_enabled = off)")
        owner.execute("ALTER TABLE customer_entries SET (autovacuum_enabled = off)")
        owner.execute(FILL, {"charges": CHARGES, "customer_id": customer_id})
        owner.execute("ANALYZE charges, customer_entries")


FETCHED = """
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint
FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND relname IN ('charges', 'customer_entries')
"""


async def rows_fetched(connection: Connection) -> int:
    """Return how many rows of charges and entries were read so far, by this connection's transactions among others."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    found = await (await connection.execute(FETCHED)).fetchone()
    assert found is not None
    return int(found[0])


async def test_a_page_of_the_newest_charges_does_not_read_those_before(databases: Databases, money: Money) -> None:
    """Left alone the planner reads every entry before the page's first charge."""
    customer_id = await money.customer()
    fill(databases, customer_id)
    after = f"00000000-0000-7000-8000-{CHARGES - PAGE:012x}"
    async with money.charges.reading() as connection:
        before = await rows_fetched(connection)
        page = await charge_facts.list_facts(connection, after=after, until=LAST_ID, limit=PAGE)
        read = await rows_fetched(connection) - before
        assert (await (await connection.execute("SHOW enable_sort")).fetchone()) == ("on",)
    assert [facts.id for facts in page] == sorted(facts.id for facts in page)
    assert len(page) == PAGE
    assert all(facts.entry_fits and facts.entry_linked for facts in page)
    assert PAGE <= read < 4 * PAGE  # each charge, its entry, and the one in front of that
