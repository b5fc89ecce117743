"""A vendor's feed of events on real databases: every fact once, numbered without a gap, whatever dies, is repeated or runs side by side."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import pytest

from services.customer_charge.domain.events import ROW_EVENTS_MAX, Event, EventType
from services.customer_charge.domain.events import Fact as FeedFact
from services.customer_charge.operations.read_events import EventPage, read_events
from services.customer_charge.operations.record_events import append_facts
from services.customer_charge.operations.settle_charges import finish
from services.customer_charge.storage import pending_charges
from services.vendor_credit.domain.facts import Fact
from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.operations.relay_facts import relay_facts
from services.vendor_credit.operations.update_vendor import update_vendor
from shared.cells import Cells
from shared.errors import Unavailable
from tests.databases import Databases
from tests.integration.money import Money, open_money, order

PAGE = 7
"""An odd page, so that pages end within rows of events."""


class LocalFeed:
    """The customer-charge service without the wire. `lost_answers` says which calls do their work and then seem to have failed."""

    def __init__(self, cells: Cells, lost_answers: Sequence[int] = ()) -> None:
        self._cells = cells
        self._lost_answers = set(lost_answers)
        self.calls = 0

    async def append(self, facts: Sequence[Fact]) -> None:
        """Append facts, each once."""
        await append_facts(self._cells, [feed_fact(fact) for fact in facts])
        self.calls += 1
        if self.calls in self._lost_answers:
            raise Unavailable("the answer was lost")


def feed_fact(fact: Fact) -> FeedFact:
    """Return a fact as the feed takes it."""
    return FeedFact(
        vendor_id=fact.vendor_id,
        entry_seq=fact.entry_seq,
        kind=fact.kind,
        vendor_balance=fact.balance_after,
        amount=fact.amount,
        request_id=fact.request_id,
        created_at=fact.created_at,
    )


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


async def page(money: Money, vendor_id: int, after: int = 0, limit: int = PAGE, types: Sequence[int] = ()) -> EventPage:
    """Read one page of a feed."""
    return await read_events(money.cells.of(vendor_id), vendor_id, after=after, types=frozenset(types), limit=limit)


async def whole_feed(money: Money, vendor_id: int, types: Sequence[int] = ()) -> list[Event]:
    """Read a feed from its start, page by page."""
    events: list[Event] = []
    after, more = 0, True
    while more:
        part = await page(money, vendor_id, after, types=types)
        assert part.next_after > after or not part.has_more
        events += part.events
        after, more = part.next_after, part.has_more
    return events


def numbers(events: Sequence[Event]) -> list[int]:
    """Return the numbers of events."""
    return [event.seq for event in events]


async def test_a_settled_charge_is_an_event_with_the_balance_it_left(money: Money) -> None:
    """Success and refusal are told in order, with what the vendor held after each."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    paid, refused = await money.accept(order(vendor_id, customer_id, 300), order(vendor_id, customer_id, 900))
    await money.settle()
    first, second = await whole_feed(money, vendor_id)
    assert (first.seq, first.type, first.vendor_balance) == (1, EventType.CHARGE_SUCCEEDED, 700)
    assert (second.seq, second.type, second.vendor_balance) == (2, EventType.CHARGE_FAILED, 700)
    assert first.charge is not None
    assert second.charge is not None
    assert (first.charge.id, second.charge.id) == (paid.charge.id, refused.charge.id)
    assert (second.charge.available, second.charge.shortfall) == (700, 200)


async def test_feeds_of_vendors_are_numbered_apart(money: Money) -> None:
    """Every vendor's numbers begin at 1, whoever else is settled in the same batch, and pages within rows lose nothing."""
    customer_id = await money.customer()
    vendor_ids = [await money.vendor(1_000_000) for _ in range(3)]
    count = ROW_EVENTS_MAX + 5
    await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(count) for vendor_id in vendor_ids])
    await money.settle()
    for vendor_id in vendor_ids:
        events = await whole_feed(money, vendor_id)
        assert numbers(events) == list(range(1, count + 1))
        assert [event.vendor_balance for event in events] == [1_000_000 - each for each in range(1, count + 1)]
        assert {event.vendor_id for event in events} == {vendor_id}


async def test_workers_on_stale_reads_number_each_charge_once(money: Money) -> None:
    """Four workers finish the same charges side by side; the feed has each once."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    accepted = await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(40)])
    slot = vendor_id % money.slots
    async with money.cells.of(vendor_id).reading() as connection:
        stale = await pending_charges.read_pending(connection, slot, limit=100)
    verdicts = await asyncio.gather(*[money.ledger.debit(stale) for _ in range(4)])
    await asyncio.gather(*[finish(money.cells, slot, each[start:]) for each in verdicts for start in (0, 10, 20)])
    events = await whole_feed(money, vendor_id)
    assert numbers(events) == list(range(1, 41))
    assert sorted(event.charge.id for event in events if event.charge) == sorted(each.charge.id for each in accepted)
    assert sorted(event.vendor_balance or 0 for event in events) == list(range(960, 1_000))


async def test_a_repeated_debit_still_knows_its_balance(money: Money) -> None:
    """A worker that died between debit and finish leaves the balance of that moment to whoever takes over."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    await money.accept(order(vendor_id, customer_id, 100))
    slot = vendor_id % money.slots
    async with money.cells.of(vendor_id).reading() as connection:
        pending = await pending_charges.read_pending(connection, slot, limit=100)
    await money.ledger.debit(pending)
    await money.approved_request(vendor_id, 5_000)
    await post_credit(money.vendors, [vendor_id])
    await money.settle()
    (event,) = await whole_feed(money, vendor_id)
    assert event.vendor_balance == 900


async def test_confirmed_credit_becomes_an_event_once(money: Money) -> None:
    """Posted credit is relayed, and relaying again, or side by side, appends nothing."""
    vendor_id = await money.vendor()
    request_id = await money.approved_request(vendor_id, 500)
    await asyncio.gather(*[post_credit(money.vendors, [vendor_id]) for _ in range(3)])
    feed = LocalFeed(money.cells)
    await asyncio.gather(*[relay_facts(money.vendors, feed) for _ in range(4)])
    (event,) = await whole_feed(money, vendor_id)
    assert (event.type, event.vendor_balance) == (EventType.CREDIT_CONFIRMED, 500)
    assert event.fact is not None
    assert (event.fact.request_id, event.fact.amount) == (request_id, 500)
    assert await relay_facts(money.vendors, feed) == 0


async def test_a_relay_that_loses_its_answers_doubles_nothing(money: Money) -> None:
    """A relay dies after the feed took the facts and before they left the outbox; the next one sends them again, without effect."""
    vendor_id = await money.vendor()
    for amount in (1, 2, 3):
        await money.approved_request(vendor_id, amount)
    await post_credit(money.vendors, [vendor_id])
    feed = LocalFeed(money.cells, lost_answers=[1, 2])
    for _ in range(2):
        with pytest.raises(Unavailable):
            await relay_facts(money.vendors, feed)
    assert await relay_facts(money.vendors, feed) == 3
    events = await whole_feed(money, vendor_id)
    assert numbers(events) == [1, 2, 3]
    assert [event.vendor_balance for event in events] == [1, 3, 6]


async def test_a_low_balance_is_told_once_per_crossing(money: Money) -> None:
    """Falling below the threshold is one event, further charges below are none, and after a rise it is told again."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    await update_vendor(money.vendors, vendor_id, name=None, credit_limit=None, suspended=None, low_balance_threshold=500, actor="operator")
    for amount in (400, 100, 1, 50, 49):
        await money.accept(order(vendor_id, customer_id, amount))
        await money.settle()
    await money.approved_request(vendor_id, 200)
    for amount in (1, 110, 10):
        await money.accept(order(vendor_id, customer_id, amount))
        await money.settle()
    await relay_facts(money.vendors, LocalFeed(money.cells))
    low = await whole_feed(money, vendor_id, types=[EventType.BALANCE_LOW])
    assert [(event.vendor_balance, event.fact.amount if event.fact else 0) for event in low] == [(499, 500), (489, 500)]


async def test_without_a_threshold_nothing_is_low(money: Money) -> None:
    """A threshold of 0 means none, also for a balance that falls below 0 on credit."""
    vendor_id, customer_id = await money.vendor(10, credit_limit=100), await money.customer()
    await money.accept(order(vendor_id, customer_id, 50))
    await money.settle()
    await relay_facts(money.vendors, LocalFeed(money.cells))
    assert {event.type for event in await whole_feed(money, vendor_id)} == {EventType.CHARGE_SUCCEEDED, EventType.CREDIT_CONFIRMED}


async def test_a_filter_moves_on_past_what_it_leaves_out(money: Money) -> None:
    """Reading one type ends at the head all the same, and says how far it got."""
    vendor_id, customer_id = await money.vendor(30), await money.customer()
    await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(40)])
    await money.settle()
    failed = await whole_feed(money, vendor_id, types=[EventType.CHARGE_FAILED])
    assert numbers(failed) == list(range(31, 41))
    none = await page(money, vendor_id, types=[EventType.BALANCE_LOW])
    assert (none.events, none.next_after, none.has_more) == ([], 40, False)
    beyond = await page(money, vendor_id, after=99)
    assert (beyond.events, beyond.next_after, beyond.has_more) == ([], 99, False)


async def test_a_reader_beside_many_writers_sees_every_event_once_in_order(money: Money) -> None:
    """A reader that is killed and started again at random, while charges settle and credit is posted, reads 1, 2, 3... to the end."""
    vendor_id, customer_id = await money.vendor(1_000_000), await money.customer()
    rng = random.Random(20260101)
    charges, credits_posted = 400, 20
    done = asyncio.Event()

    async def settle_all() -> None:
        for start in range(0, charges, 20):
            await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(20)])
            await asyncio.gather(money.settle(), money.settle())
            if start % 20 == 0:
                await money.approved_request(vendor_id, 5)
                await post_credit(money.vendors, [vendor_id])
                await relay_facts(money.vendors, LocalFeed(money.cells))
        await money.settle()
        done.set()

    async def read_on(seen: list[int]) -> None:
        while True:
            part = await page(money, vendor_id, seen[-1] if seen else 0, limit=rng.randrange(1, 30))
            seen += numbers(part.events)
            if done.is_set() and not part.has_more:
                return

    writer = asyncio.create_task(settle_all())
    seen: list[int] = []
    while True:
        reader = asyncio.create_task(read_on(seen))
        await asyncio.wait({reader}, timeout=rng.random() / 50)
        if reader.done():
            break
        reader.cancel()
        await asyncio.wait({reader})
    await writer
    assert seen == list(range(1, charges + credits_posted + 1 + 1))  # and the credit that the vendor began with


async def test_a_reversal_is_an_event_once(money: Money) -> None:
    """What went back to the vendor is told with the balance it left, once however often it is settled; a refused reversal is not told."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    charge_id = await money.charged(vendor_id, customer_id, 300)
    made = await money.reverse(charge_id, 100)
    await asyncio.gather(money.settle_reversals(), money.settle_reversals())
    await money.spend(customer_id, 200)
    await money.reverse(charge_id, 50)
    await money.settle_reversals()
    _, event = await whole_feed(money, vendor_id)
    assert (event.seq, event.type, event.vendor_balance) == (2, EventType.CHARGE_REVERSED, 800)
    assert event.reversal is not None
    assert (event.reversal.id, event.reversal.charge_id, event.reversal.amount) == (made.reversal.id, charge_id, 100)
