"""Statements on a real database: periods that meet without a gap, and that nothing joins once they were told."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from services.vendor_credit.domain.ledger import Entry, EntryKind
from services.vendor_credit.domain.statements import BEGINNING, Balance, Statement
from services.vendor_credit.operations.read_statement import read_statement
from services.vendor_credit.storage import accounts, statements, vendors
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import InvalidArgument, NotFound
from tests.databases import Databases

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + 40 * DAY


@pytest.fixture
async def database(one_cell: Databases) -> AsyncIterator[Database]:
    """Give the vendor ledger's database: a vendor's ledger is in one cell, whichever."""
    opened = Database(one_cell.urls["vendor_credit"], "vendor_credit", pool_size=4, application_name="test")
    await opened.open()
    yield opened
    await opened.close()


async def make_vendor(database: Database) -> int:
    """Make a vendor at the beginning of the year; return its id."""

    async def work(connection: Connection) -> int:
        vendor_id = await vendors.next_vendor_id(connection)
        await vendors.insert_vendor(
            connection, vendor_id, name="v", credit_limit=10**12, low_balance_threshold=0, duplicate_window_seconds=0, now=START
        )
        return vendor_id

    return await database.transact(work)


async def post(database: Database, vendor_id: int, moments: list[datetime]) -> list[Entry]:
    """Post an entry at each of the moments, or later where the ledger is further already; return them."""

    async def work(connection: Connection) -> list[Entry]:
        locked = await accounts.lock_accounts(connection, [vendor_id])
        account = locked[vendor_id]
        entries = []
        for moment in moments:
            seq = account.last_seq + 1
            entries.append(account.post(EntryKind.CREDIT, seq * 7 % 100 + 1, f"{vendor_id}-{seq}", moment))
        await accounts.write_postings(connection, locked, entries)
        return entries

    return await database.transact(work)


async def whole(
    database: Database, vendor_id: int, start: datetime, stop: datetime, *, page: int = 50, now: datetime = NOW
) -> tuple[Statement, list[Entry]]:
    """Return a statement with all of its entries, read page by page."""
    found: list[Entry] = []
    while True:
        statement, entries = await read_statement(
            Cells([database]), vendor_id, start=start, stop=stop, after_seq=found[-1].seq if found else 0, limit=page, now=now
        )
        found += entries
        if len(entries) < page:
            return statement, found


@pytest.mark.parametrize("seed", range(6))
async def test_closing_of_one_is_opening_of_the_next_over_random_splits(database: Database, seed: int) -> None:
    """However a time is cut into periods, they hold every entry once, in the period of its time, and meet at their ends."""
    rng = random.Random(seed)
    vendor_id = await make_vendor(database)
    # Few different moments, so that cuts fall on entries and many entries share a time.
    grid = [START + timedelta(microseconds=rng.randrange(1, 60) * 11) for _ in range(15)]
    moments = sorted(rng.choice(grid) for _ in range(rng.choice((0, 1, 2, 3, 64, 200))))
    posted = await post(database, vendor_id, moments)
    cuts = sorted({START - DAY, NOW, *rng.sample(grid, 5), *(START + timedelta(microseconds=rng.randrange(1, 700)) for _ in range(5))})
    before, everything = BEGINNING, []
    for start, stop in pairwise(cuts):
        statement, entries = await whole(database, vendor_id, start, stop, page=rng.choice((1, 3, 50)))
        assert statement.opening == before
        assert entries == [entry for entry in posted if start <= entry.created_at < stop]
        assert statement.entry_count == len(entries)
        assert statement.closing.balance == statement.opening.balance + sum(entry.amount for entry in entries)
        before = statement.closing
        everything += entries
    assert everything == posted
    assert before == (Balance(posted[-1].seq, posted[-1].balance_after, posted[-1].hash) if posted else BEGINNING)


async def test_an_entry_dated_too_early_by_a_slow_clock_falls_into_the_next_period(database: Database) -> None:
    """A statement that was told is never contradicted: the ledger goes on at its end."""
    vendor_id = await make_vendor(database)
    stop = START + 10 * DAY
    told = await whole(database, vendor_id, START, stop)
    (late,) = await post(database, vendor_id, [START + DAY])
    assert late.created_at == stop
    again, entries = await whole(database, vendor_id, START, stop)
    assert ((again.opening, again.closing), entries) == ((told[0].opening, told[0].closing), told[1])
    _, following = await whole(database, vendor_id, stop, stop + DAY)
    assert [entry.seq for entry in following] == [late.seq]


async def test_a_posting_under_way_is_waited_for(database: Database) -> None:
    """An entry that is written and not yet committed is in the statement of its time."""
    vendor_id = await make_vendor(database)
    written, commit = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> None:
        locked = await accounts.lock_accounts(connection, [vendor_id])
        entry = locked[vendor_id].post(EntryKind.CREDIT, 5, "slow", START + DAY)
        await accounts.write_postings(connection, locked, [entry])
        written.set()
        await commit.wait()

    posting = asyncio.create_task(database.transact(slow))
    await written.wait()
    reading = asyncio.create_task(whole(database, vendor_id, START, START + 2 * DAY))
    try:
        await waiting_for_a_lock(database)
        assert not reading.done()
    finally:
        commit.set()  # else nothing ends: a transaction in flight is waited for
        await posting
    statement, entries = await reading
    assert ([entry.reference for entry in entries], statement.closing.balance) == (["slow"], 5)


async def waiting_for_a_lock(database: Database) -> None:
    """Return when some statement of this database waits for a lock."""
    async with asyncio.timeout(10), database.reading() as connection:
        while True:
            cursor = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            row = await cursor.fetchone()
            if row is not None and row[0] > 0:
                return


async def test_closing_a_period_again_changes_nothing(database: Database) -> None:
    """The vendor's row is written once per period, and never moved back."""
    vendor_id = await make_vendor(database)
    await whole(database, vendor_id, START, START + 10 * DAY)
    await whole(database, vendor_id, START, START + 5 * DAY)
    async with database.reading() as connection:
        assert await statements.last_entry_at(connection, vendor_id) == START + 10 * DAY


async def test_periods_that_are_empty_or_not_over_are_refused(database: Database) -> None:
    """The field is named, and nothing is closed."""
    vendor_id = await make_vendor(database)
    for start, stop in ((START, START), (START + DAY, START), (START, NOW + timedelta(microseconds=1))):
        with pytest.raises(InvalidArgument) as refused:
            await whole(database, vendor_id, start, stop)
        assert refused.value.violations[0].field == "to"
    async with database.reading() as connection:
        assert await statements.last_entry_at(connection, vendor_id) == START
    with pytest.raises(NotFound):
        await whole(database, vendor_id + 1, START, NOW)


async def test_a_period_may_end_now(database: Database) -> None:
    """What was posted before is in it, at once."""
    vendor_id = await make_vendor(database)
    await post(database, vendor_id, [utc_now()])
    now = utc_now()
    statement, entries = await whole(database, vendor_id, START, now, now=now)
    assert (len(entries), statement.entry_count) == (1, 1)
