"""The natural batcher."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from shared.batching import NaturalBatcher
from shared.errors import Overloaded


class Echo:
    """A run function whose batches wait until the test lets them go."""

    def __init__(self, *, gated: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Semaphore(0 if gated else 1_000)

    async def __call__(self, items: list[int]) -> Sequence[int | Exception]:
        """Run one batch."""
        self.batches.append(items)
        await self.gate.acquire()
        return [item * 10 for item in items]


class RolledBackError(Exception):
    """Stands for an error after which nothing has happened."""


class Poisoned:
    """A run function that rolls back whenever the poison item is in the batch."""

    def __init__(self, poison: int) -> None:
        self.poison = poison
        self.batches: list[list[int]] = []

    async def __call__(self, items: list[int]) -> Sequence[int | Exception]:
        """Run one batch, unless the poison is in it."""
        self.batches.append(items)
        if self.poison in items:
            raise RolledBackError
        return items


async def turns(count: int = 5) -> None:
    """Let other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_items_submitted_together_share_a_batch_and_get_their_own_results_in_order() -> None:
    """Everything submitted in one turn of the loop leaves in one batch."""
    run = Echo()
    batcher = NaturalBatcher(run, name="test", max_batch=10, max_queue=100)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(5))) == [0, 10, 20, 30, 40]
    assert run.batches == [[0, 1, 2, 3, 4]]


async def test_lone_item_waits_for_nobody() -> None:
    """A single item leaves at once, as a batch of one."""
    run = Echo()
    batcher = NaturalBatcher(run, name="test", max_batch=10, max_queue=100)
    assert await batcher.submit(7) == 70
    assert run.batches == [[7]]


async def test_next_batch_gathers_while_one_is_in_flight() -> None:
    """Items that arrive during a batch leave together after it, never beyond the largest batch."""
    run = Echo(gated=True)
    sizes: list[int] = []
    batcher = NaturalBatcher(run, name="test", max_batch=3, max_queue=100, observe=sizes.append)
    waiting = [asyncio.ensure_future(batcher.submit(0))]
    await turns()
    waiting += [asyncio.ensure_future(batcher.submit(n)) for n in range(1, 6)]
    await turns()
    assert run.batches == [[0]]
    for _ in range(3):
        run.gate.release()
    assert await asyncio.gather(*waiting) == [0, 10, 20, 30, 40, 50]
    assert run.batches == [[0], [1, 2, 3], [4, 5]]
    assert sizes == [1, 3, 2]


async def test_no_more_batches_are_in_flight_than_allowed() -> None:
    """With room for two batches, the third waits."""
    run = Echo(gated=True)
    batcher = NaturalBatcher(run, name="test", max_batch=2, max_queue=100, max_in_flight=2)
    waiting = [asyncio.ensure_future(batcher.submit(n)) for n in range(6)]
    await turns(10)
    assert run.batches == [[0, 1], [2, 3]]
    for _ in range(3):
        run.gate.release()
    assert await asyncio.gather(*waiting) == [0, 10, 20, 30, 40, 50]


async def test_full_queue_refuses_at_once() -> None:
    """Beyond the queue's length a caller is told to come back, and those inside are served."""
    run = Echo(gated=True)
    batcher = NaturalBatcher(run, name="test", max_batch=1, max_queue=2)
    waiting = [asyncio.ensure_future(batcher.submit(0))]
    await turns()
    waiting += [asyncio.ensure_future(batcher.submit(n)) for n in (1, 2)]
    await turns()
    with pytest.raises(Overloaded) as refusal:
        await batcher.submit(3)
    assert refusal.value.retry_after_seconds is not None
    for _ in range(3):
        run.gate.release()
    assert await asyncio.gather(*waiting) == [0, 10, 20]


async def test_cancelled_item_that_waits_is_dropped_and_makes_room() -> None:
    """A caller that gives up while queued leaves nothing behind."""
    run = Echo(gated=True)
    batcher = NaturalBatcher(run, name="test", max_batch=2, max_queue=1)
    first = asyncio.ensure_future(batcher.submit(0))
    await turns()
    queued = asyncio.ensure_future(batcher.submit(1))
    await turns()
    queued.cancel()
    await turns()
    second = asyncio.ensure_future(batcher.submit(2))
    await turns()
    run.gate.release()
    run.gate.release()
    assert (await first, await second) == (0, 20)
    assert run.batches == [[0], [2]]


async def test_cancelled_item_in_flight_runs_on_and_disturbs_nobody() -> None:
    """A caller that gives up after its item was taken changes nothing for its companions."""
    run = Echo(gated=True)
    batcher = NaturalBatcher(run, name="test", max_batch=2, max_queue=10)
    leaver, stayer = (asyncio.ensure_future(batcher.submit(n)) for n in (0, 1))
    await turns()
    leaver.cancel()
    await turns()
    run.gate.release()
    assert await stayer == 10
    assert leaver.cancelled()
    assert run.batches == [[0, 1]]


async def test_failed_batch_fails_each_of_its_items() -> None:
    """An error of unknown effect is everybody's error, and nothing runs twice."""
    run = Poisoned(1)
    batcher = NaturalBatcher(run, name="test", max_batch=3, max_queue=10)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [RolledBackError] * 3
    assert run.batches == [[0, 1, 2]]


async def test_poison_item_fails_alone_after_a_known_rollback() -> None:
    """When nothing has happened the items run one by one."""
    run = Poisoned(1)
    batcher = NaturalBatcher(run, name="test", max_batch=3, max_queue=10, retry_singly=lambda error: isinstance(error, RolledBackError))
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
    assert results[0] == 0
    assert isinstance(results[1], RolledBackError)
    assert results[2] == 2
    assert run.batches == [[0, 1, 2], [0], [1], [2]]


async def test_result_that_is_an_error_fails_its_item_alone() -> None:
    """A run function may refuse single items."""

    async def run(items: list[int]) -> Sequence[int | Exception]:
        return [ValueError(str(item)) if item == 1 else item for item in items]

    batcher = NaturalBatcher(run, name="test", max_batch=3, max_queue=10)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
    assert results[0] == 0
    assert isinstance(results[1], ValueError)
    assert results[2] == 2


async def test_wrong_number_of_results_is_an_error() -> None:
    """Results that cannot be told apart are given to nobody."""

    async def run(items: list[int]) -> Sequence[int | Exception]:
        return items[:-1]

    batcher = NaturalBatcher(run, name="test", max_batch=3, max_queue=10)
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        await batcher.submit(1)


async def test_close_refuses_new_items_and_finishes_all_others() -> None:
    """Shutdown drains what is in flight and what is queued."""
    run = Echo(gated=True)
    batcher = NaturalBatcher(run, name="test", max_batch=1, max_queue=10)
    waiting = [asyncio.ensure_future(batcher.submit(n)) for n in range(3)]
    await turns()
    closing = asyncio.ensure_future(batcher.close())
    await turns()
    with pytest.raises(Overloaded, match="shutting down"):
        await batcher.submit(9)
    assert not closing.done()
    for _ in range(3):
        run.gate.release()
    await closing
    assert [task.result() for task in waiting] == [0, 10, 20]


async def test_batch_does_not_run_in_the_context_of_the_caller_that_started_it() -> None:
    """What one caller put into a context variable is not seen by the work of the others."""
    variable: ContextVar[str] = ContextVar("variable", default="nobody")
    seen: list[str] = []

    async def run(items: list[int]) -> Sequence[int | Exception]:
        seen.append(variable.get())
        return items

    batcher = NaturalBatcher(run, name="test", max_batch=1, max_queue=10)
    variable.set("a caller")
    await batcher.submit(1)
    assert seen == ["nobody"]


async def test_item_submitted_in_the_very_turn_of_an_answer_is_taken() -> None:
    """A caller that submits again as soon as it has its answer is never forgotten between two batches."""
    batcher = NaturalBatcher(Echo(), name="test", max_batch=1, max_queue=10)
    for n in range(100):
        assert await asyncio.wait_for(batcher.submit(n), timeout=1) == n * 10


async def test_an_item_that_can_wait_leaves_with_the_next_that_cannot() -> None:
    """It keeps its place before that one, and starts no batch of its own."""
    run = Echo()
    batcher = NaturalBatcher(run, name="test", max_batch=10, max_queue=100)
    batcher.submit_later(1, 60.0)
    await turns()
    assert run.batches == []
    assert await batcher.submit(2) == 20
    assert run.batches == [[1, 2]]


async def test_an_item_that_can_wait_does_not_wait_for_ever() -> None:
    """Alone it leaves after its time; behind a batch that is under way, right after that."""
    run = Echo(gated=True)
    batcher = NaturalBatcher(run, name="test", max_batch=10, max_queue=100)
    batcher.submit_later(1, 0.001)
    async with asyncio.timeout(5):
        while not run.batches:  # noqa: ASYNC110 - the clock is what is waited for
            await asyncio.sleep(0.001)
    batcher.submit_later(2, 60.0)
    run.gate.release()
    await turns()
    assert run.batches == [[1], [2]]
    run.gate.release()
    await batcher.close()


async def test_closing_carries_out_what_can_wait() -> None:
    """Nothing that was taken is dropped."""
    run = Echo()
    batcher = NaturalBatcher(run, name="test", max_batch=10, max_queue=100)
    batcher.submit_later(1, 60.0)
    await batcher.close()
    assert run.batches == [[1]]
