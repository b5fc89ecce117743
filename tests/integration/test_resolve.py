"""Resolving and sealing keys on a real database: one truth for each key, whoever comes first, and never another one later."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.customer_charge.domain.charges import Charge, ChargeOrder, ChargeState
from services.customer_charge.operations.accept_charges import Accepted, accept_charges
from services.customer_charge.operations.resolve_charge import resolve_charge
from services.customer_charge.storage import sealed_keys
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.errors import ChargingError
from tests.databases import Databases
from tests.integration.money import Money, open_money, order

WAITING_SECONDS = 10.0

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases, and check the books at the end of every test."""
    async with open_money(databases) as opened:
        yield opened
        await opened.settle()
        books = await opened.books()
        assert (books.findings, books.drift) == ([], 0)


async def accept(money: Money, wanted: ChargeOrder) -> Accepted | ChargingError:
    """Accept one order; return what became of it."""
    return (await money.accept_batch([wanted]))[0]


def sealed(result: object) -> bool:
    """Tell whether a result is the refusal of a sealed key."""
    return isinstance(result, ChargingError) and result.reason == "KEY_SEALED"


class Held:
    """A transaction that did its work and does not end before it is told to."""

    def __init__(self, database: Database, work: Callable[[Connection], Awaitable[Any]]) -> None:
        self._database = database
        self._work = work
        self._done = asyncio.Event()
        self._end = asyncio.Event()
        self._fault: Exception | None = None
        self._task: asyncio.Task[Any]

    async def start(self) -> "Held":
        """Do the work."""
        self._task = asyncio.create_task(self._database.transact(self._run))
        await self._done.wait()
        return self

    async def commit(self) -> None:
        """Commit."""
        self._end.set()
        await self._task

    async def roll_back(self) -> None:
        """End without an effect."""
        self._fault = LookupError("rolled back on purpose")
        with pytest.raises(LookupError):
            await self.commit()

    async def _run(self, connection: Connection) -> None:
        await self._work(connection)
        self._done.set()
        await self._end.wait()
        if self._fault is not None:
            raise self._fault


async def waiters(money: Money, number: int) -> None:
    """Wait until so many transactions wait for a lock."""
    async with asyncio.timeout(WAITING_SECONDS), money.charges.reading() as connection:
        while True:
            row = await (await connection.execute(WAITING)).fetchone()
            if row == (number,):
                return
            await asyncio.sleep(0.005)


def sealing(vendor_id: int, key: str) -> Callable[[Connection], Awaitable[Any]]:
    """Return work that seals a key."""
    return lambda connection: sealed_keys.seal_key(connection, vendor_id, key, utc_now())


async def stop_charges(connection: Connection) -> None:
    """Let ACCEPT insert its keys and wait before it inserts its charges."""
    await connection.execute("LOCK TABLE charges IN EXCLUSIVE MODE")


async def test_a_key_that_made_a_charge_answers_it_as_it_is_now(money: Money) -> None:
    """Accepted first, succeeded after it was settled, the same charge each time."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    (made,) = await money.accept(order(vendor_id, customer_id, 10, "k"))
    before = await resolve_charge(money.cells.of(vendor_id), vendor_id, "k")
    await money.settle()
    after = await resolve_charge(money.cells.of(vendor_id), vendor_id, "k")
    assert before == made.charge
    assert after is not None
    assert (after.id, after.state) == (made.charge.id, ChargeState.SUCCEEDED)


async def test_a_key_that_made_nothing_is_sealed_for_ever(money: Money) -> None:
    """Every later order with it is refused, its companions in the batch pass, and asking again answers the same."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    assert await resolve_charge(money.cells.of(vendor_id), vendor_id, "k") is None
    batch = await accept_charges(
        money.cells.of(vendor_id),
        [order(vendor_id, customer_id, 10, "k"), order(vendor_id, customer_id, 20, "other")],
        slots=money.slots,
    )
    assert sealed(batch.results[0])
    assert isinstance(batch.results[1], Accepted)
    assert await resolve_charge(money.cells.of(vendor_id), vendor_id, "k") is None
    assert sealed(await accept(money, order(vendor_id, customer_id, 10, "k")))


async def test_a_seal_is_one_vendors_alone(money: Money) -> None:
    """The same text is another key for another vendor."""
    ours, theirs, customer_id = await money.vendor(1_000), await money.vendor(1_000), await money.customer()
    assert await resolve_charge(money.cells.of(ours), ours, "k") is None
    assert isinstance(await accept(money, order(theirs, customer_id, 10, "k")), Accepted)


async def test_a_request_whose_key_is_being_sealed_never_runs(money: Money) -> None:
    """It waits for the seal's transaction and is refused, however early it was sent."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    seal = await Held(money.cells.of(vendor_id), sealing(vendor_id, "k")).start()
    late = asyncio.create_task(accept(money, order(vendor_id, customer_id, 10, "k")))
    await waiters(money, 1)
    await seal.commit()
    assert sealed(await late)


async def test_a_seal_that_did_not_commit_stops_nobody(money: Money) -> None:
    """A process that dies while it seals leaves the key as it was."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    seal = await Held(money.cells.of(vendor_id), sealing(vendor_id, "k")).start()
    late = asyncio.create_task(accept(money, order(vendor_id, customer_id, 10, "k")))
    await waiters(money, 1)
    await seal.roll_back()
    assert isinstance(await late, Accepted)


async def test_resolving_waits_for_a_request_that_is_being_accepted(money: Money) -> None:
    """A request that has inserted its key is the answer, though it had not committed when it was asked for."""
    vendor_id, customer_id = await money.vendor(1_000), await money.customer()
    stop = await Held(money.cells.of(vendor_id), stop_charges).start()
    running = asyncio.create_task(accept(money, order(vendor_id, customer_id, 10, "k")))
    await waiters(money, 1)
    resolving = asyncio.create_task(resolve_charge(money.cells.of(vendor_id), vendor_id, "k"))
    await waiters(money, 2)
    await stop.commit()
    accepted, resolved = await running, await resolving
    assert isinstance(accepted, Accepted)
    assert resolved == accepted.charge


async def test_fifty_callers_of_one_key_learn_one_truth(money: Money) -> None:
    """Requests and resolutions side by side: either one charge that everybody is told of, or a seal that nobody passes; never both."""
    vendor_id, customer_id = await money.vendor(100_000), await money.customer()
    truths = set()
    for number in range(12):
        key = f"k-{number}"
        requests = [accept(money, order(vendor_id, customer_id, 10, key)) for _ in range(25)]
        resolutions = [resolve_charge(money.cells.of(vendor_id), vendor_id, key) for _ in range(25)]
        # Each round lets another side begin.
        both = [*requests, *resolutions] if number % 2 else [*resolutions, *requests]
        results = await asyncio.gather(*both)
        accepted = {result.charge.id for result in results if isinstance(result, Accepted)}
        resolved = {
            result.id if isinstance(result, Charge) else None for result in results if not isinstance(result, Accepted | ChargingError)
        }
        refused = [result for result in results if isinstance(result, ChargingError)]
        assert all(sealed(each) for each in refused)
        assert len(accepted | resolved) == 1, results
        assert bool(accepted) != bool(refused)
        truths.add(next(iter(accepted | resolved)) is None)
    assert truths == {True, False}, "only one side ever came first"
