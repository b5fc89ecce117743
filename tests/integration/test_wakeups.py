"""Hints: enqueued without waiting, heard at once, and harmless when lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from statistics import median

import dramatiq
import pytest
import redis
from dramatiq import Worker
from structlog.testing import capture_logs

from shared.wakeups import broker as broker_module
from shared.wakeups.broker import DoorbellRedisBroker, build_broker
from shared.wakeups.slot_lock import SlotLock
from shared.wakeups.waker import Waker
from shared.wakeups.worker import run_worker
from tests.support import wait_until

DEAD_URL = "redis://127.0.0.1:1/0"


class Hearing:
    """An actor that notes what it hears, and when."""

    def __init__(self, broker: DoorbellRedisBroker) -> None:
        self.heard: SimpleQueue[tuple[int, float]] = SimpleQueue()

        async def hear(slot: int) -> None:
            self.heard.put((slot, time.perf_counter()))

        self.actor = dramatiq.actor(broker=broker, queue_name="hear", max_retries=0)(hear)


@pytest.fixture
def broker(redis_url: str) -> Iterator[DoorbellRedisBroker]:
    """Give a broker on an empty Redis."""
    subject = build_broker(redis_url)
    yield subject
    subject.close()


@pytest.fixture
def hearing(broker: DoorbellRedisBroker) -> Iterator[Hearing]:
    """Give an actor with a worker that is idle."""
    subject = Hearing(broker)
    worker = Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    subject.actor.send(-1)
    subject.heard.get(timeout=5)
    yield subject
    worker.stop()


def test_idle_worker_hears_a_hint_within_milliseconds(broker: DoorbellRedisBroker, hearing: Hearing) -> None:
    """The doorbell wakes a sleeping worker; no polling interval is in the way."""
    delays = []
    for slot in range(30):
        wait_until(lambda: broker.client.info("clients")["blocked_clients"] == 1, "the worker to be idle again")
        sent = time.perf_counter()
        hearing.actor.send(slot)
        heard_slot, heard_at = hearing.heard.get(timeout=5)
        assert heard_slot == slot
        delays.append(heard_at - sent)
    assert median(delays) < 0.02


def test_every_hint_of_a_burst_is_heard(hearing: Hearing) -> None:
    """Rings may be dropped, messages not."""
    for slot in range(200):
        hearing.actor.send(slot)
    assert sorted(hearing.heard.get(timeout=5)[0] for _ in range(200)) == list(range(200))


def test_doorbell_and_backlog_stay_bounded_without_workers(broker: DoorbellRedisBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long time without workers does not fill Redis."""
    monkeypatch.setattr(broker_module, "BACKLOG_MAX", 50)
    hearing = Hearing(broker)
    for slot in range(80):
        hearing.actor.send(slot)
    assert broker.client.llen("dramatiq:hear") == 50
    assert broker.client.llen(broker.doorbell("hear")) == broker_module.DOORBELL_RINGS_MAX
    assert broker.client.pttl(broker.doorbell("hear")) > 0


def test_messages_of_a_killed_worker_return(broker: DoorbellRedisBroker, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dead worker had fetched is heard by another."""
    monkeypatch.setattr(broker_module, "HEARTBEAT_TIMEOUT_MS", 300)
    monkeypatch.setattr(broker_module, "MAINTENANCE_CHANCE", 1_000_000)
    hearing = Hearing(broker)
    hearing.actor.send(7)
    dead = build_broker(redis_url)
    assert len(dead.do_fetch("hear", 1)) == 1
    dead.close()
    living = build_broker(redis_url)
    survivor = Hearing(living)
    worker = Worker(living, worker_threads=1, worker_timeout=100)
    worker.start()
    assert survivor.heard.get(timeout=10)[0] == 7
    worker.stop()
    living.close()


def test_waker_sends_the_first_hint_at_once_and_bundles_the_rest() -> None:
    """A thousand wakes within one period are two hints."""
    sent: SimpleQueue[int] = SimpleQueue()
    waker = Waker(sent.put, spacing_seconds=0.2)
    waker.wake(1)
    assert sent.get(timeout=1) == 1
    for _ in range(1000):
        waker.wake(1)
    waker.wake(2)
    assert sent.get(timeout=0.15) == 2
    assert sent.get(timeout=1) == 1
    waker.close()
    assert sent.empty()


def test_waker_bundles_more_while_work_streams() -> None:
    """After a hint for a stream the next one waits longer; once the stream is over, the usual time is back."""
    sent: SimpleQueue[int] = SimpleQueue()
    waker = Waker(sent.put, spacing_seconds=0.01, stream_spacing_seconds=0.5)
    waker.wake(1, stream=True)
    assert sent.get(timeout=1) == 1
    began = time.monotonic()
    waker.wake(1)
    assert sent.get(timeout=2) == 1
    assert time.monotonic() - began > 0.4
    waker.wake(1)
    assert sent.get(timeout=0.4) == 1
    waker.close()


def test_waker_never_loses_the_wake_that_follows_a_hint() -> None:
    """Every wake is followed by a hint that was sent after it."""
    sent: SimpleQueue[float] = SimpleQueue()
    waker = Waker(lambda _slot: sent.put(time.monotonic()), spacing_seconds=0.001)
    for _ in range(300):
        woken = time.monotonic()
        waker.wake(1)
        while sent.get(timeout=2) < woken:
            pass  # the hint of an earlier wake
    waker.close()


def test_waker_forgets_the_slots_it_woke() -> None:
    """However many slots there are over time, only the latest are remembered."""
    sent: SimpleQueue[int] = SimpleQueue()
    waker = Waker(sent.put, spacing_seconds=0.0)
    for slot in range(1000):
        waker.wake(slot)
        assert sent.get(timeout=2) == slot
    assert len(waker._next_at) < 10
    waker.close()


def test_waker_with_redis_down_neither_blocks_nor_raises_and_says_so_once() -> None:
    """Hints are dropped; the caller notices nothing."""
    broker = build_broker(DEAD_URL)
    actor = Hearing(broker).actor
    with capture_logs() as lines:
        waker = Waker(actor.send, spacing_seconds=0.001)
        started = time.perf_counter()
        for slot in range(500):
            waker.wake(slot)
        assert time.perf_counter() - started < 0.1
        waker.close()
    assert [line["event"] for line in lines] == ["wakeups.dropping"]
    broker.close()


async def test_slot_lock_has_one_holder_and_is_free_after_it(redis_url: str) -> None:
    """The second gets nothing until the first is done; another slot is another lock."""
    lock = SlotLock(redis_url, prefix="test")
    async with lock.acquire(1) as first, lock.acquire(1) as second, lock.acquire(2) as other:
        assert (first, second, other) == (True, False, True)
    async with lock.acquire(1) as again:
        assert again
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < client.pttl("test:slot:1") <= 5000
    lock.close()


async def test_a_process_holds_a_slot_once_however_long_it_takes(redis_url: str) -> None:
    """Also when its lock in Redis has come to its end, which is there for the other processes."""
    lock, other_process = SlotLock(redis_url, prefix="test"), SlotLock(redis_url, prefix="test")
    with redis.Redis.from_url(redis_url) as client:
        async with lock.acquire(1) as first:
            client.delete("test:slot:1")
            async with lock.acquire(1) as second, other_process.acquire(1) as elsewhere:
                assert (first, second, elsewhere) == (True, False, True)
    async with lock.acquire(1) as again:
        assert again
    lock.close()
    other_process.close()


async def test_slot_lock_without_redis_is_everybodys() -> None:
    """Work goes on without the lock, with one line in the log."""
    lock = SlotLock(DEAD_URL, prefix="test")
    with capture_logs() as lines:
        for _ in range(3):
            async with lock.acquire(1) as acquired:
                assert acquired
    assert [line["event"] for line in lines] == ["slot_lock.going_without"]
    lock.close()


WORKER_PROGRAM = """
import asyncio, sys
from pathlib import Path
import dramatiq
from shared.wakeups.broker import build_broker
from shared.wakeups.worker import run_worker

broker = build_broker(sys.argv[1])

async def work(seconds):
    print("begun", flush=True)
    await asyncio.sleep(seconds)
    print("done", flush=True)

dramatiq.actor(work, broker=broker, queue_name="work")
run_worker(broker, threads=2, drain_seconds=5, on_ready=lambda: print("ready", flush=True), heartbeat_file=Path(sys.argv[2]))
print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_process_finishes_its_work_when_told_to_stop(redis_url: str, number: signal.Signals, tmp_path: Path) -> None:
    """A stop lets the running actor end, and the process ends well and soon; its heart beat before it said it was ready."""
    heartbeat = tmp_path / "heartbeat"
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", WORKER_PROGRAM, redis_url, str(heartbeat)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path.cwd(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert heartbeat.exists()
        broker = build_broker(redis_url)

        async def work(seconds: float) -> None:
            """Only declared, to send to."""

        dramatiq.actor(broker=broker, queue_name="work")(work).send(0.3)
        assert process.stdout.readline() == "begun\n"
        os.kill(process.pid, number)
        assert process.stdout.read() == "done\nstopped\n"
        assert process.wait(10) == 0
        broker.close()


def test_worker_runs_only_on_the_main_thread(broker: DoorbellRedisBroker) -> None:
    """Elsewhere it could not be stopped by a signal."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            run_worker(broker, threads=1, drain_seconds=1)
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert len(errors) == 1
