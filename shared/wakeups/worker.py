"""The main loop of a worker process."""

import signal
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

from dramatiq import Worker

from shared.heartbeat import BEAT_SECONDS, beat
from shared.main import collect_rarely
from shared.wakeups.broker import DoorbellRedisBroker

IDLE_LOOK_MS = 250
"""How often an idle worker thread looks whether it is to stop. Messages do not wait for it: it is what stopping takes."""


def run_worker(
    broker: DoorbellRedisBroker,
    *,
    threads: int,
    drain_seconds: float,
    on_ready: Callable[[], None] | None = None,
    heartbeat_file: Path | None = None,
) -> None:
    """Run the actors of a broker until SIGTERM or SIGINT, then let running ones finish for up to `drain_seconds` and return.

    Call it on the main thread, after the actors are declared. One worker per process: dramatiq keeps its event loop in a global. Messages
    that were fetched and not begun go back to their queue. `heartbeat_file` is touched while all threads of the worker live. `on_ready` is
    called once the worker consumes.
    """
    # Unlike an Event, a SimpleQueue may be filled by a signal handler of the very thread that waits for it.
    stop: SimpleQueue[int] = SimpleQueue()

    def request_stop(number: int, _frame: FrameType | None) -> None:
        stop.put(number)

    previous = {number: signal.signal(number, request_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    worker = Worker(broker, worker_threads=threads, worker_timeout=IDLE_LOOK_MS)
    try:
        worker.start()
        collect_rarely()
        beat(heartbeat_file)
        if on_ready is not None:
            on_ready()
        while not _asked(stop, BEAT_SECONDS):
            if all(thread.is_alive() for thread in (*worker.consumers.values(), *worker.workers)):
                beat(heartbeat_file)
    finally:
        worker.stop(timeout=int(drain_seconds * 1000))
        broker.close()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _asked(stop: SimpleQueue[int], seconds: float) -> bool:
    """Wait for up to so many seconds and tell whether a stop was asked for."""
    try:
        stop.get(timeout=seconds)
    except Empty:
        return False
    return True
