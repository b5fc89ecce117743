"""Send hints from an event loop that must not wait for them."""

import time
from collections.abc import Callable
from threading import Condition, Thread

import structlog

from shared.crash_points import crash_point
from shared.scraped_metrics import ScrapedMetrics

log = structlog.get_logger(__name__)

SPACING_SECONDS = 0.025
"""Shortest time between two hints for one slot. A worker takes all work of a slot and looks again before it lets go, so more hints would
find nothing more; on a busy system sending them cost a tenth of the server's time at 10 ms."""

STREAM_SPACING_SECONDS = 0.1
"""The same while work streams in: then the worker goes on by itself, and a hint only matters for what comes just after its last look."""

HINTS_TEXT = "Hints that a slot has work."


class Waker:
    """Tell workers that a slot has work: the first time at once, then at most once in 25 ms for each slot, or in 100 ms on a stream.

    `wake` is called on the event loop after a commit. It never blocks and never raises; a thread of the waker's own sends. What cannot
    be sent is dropped, with one line in the log when that begins and one when it ends: the sweeper finds the work.

    Example:
        waker = Waker(settle_slot.send)
        ...
        waker.wake(slot)
    """

    def __init__(
        self,
        send: Callable[[int], object],
        *,
        spacing_seconds: float = SPACING_SECONDS,
        stream_spacing_seconds: float = STREAM_SPACING_SECONDS,
    ) -> None:
        self._send = send
        self._spacing_seconds = spacing_seconds
        self._stream_spacing_seconds = stream_spacing_seconds
        self._streams: set[int] = set()
        self._pending: set[int] = set()
        self._next_at: dict[int, float] = {}
        self._changed = Condition()
        self._closed = False
        self._failing = False
        self.sent = 0
        self.dropped = 0
        self._thread = Thread(target=self._run, name="waker", daemon=True)
        self._thread.start()

    def wake(self, slot: int, *, stream: bool = False) -> None:
        """Hint that a slot has work; `stream` says that so much came at once that more will follow."""
        if stream:
            self._streams.add(slot)
        # Without the lock on purpose, this is the common case: a slot leaves `_pending` before its hint is sent, so whoever still sees it
        # there has a hint to come that is sent after its commit.
        if slot in self._pending:
            return
        with self._changed:
            self._pending.add(slot)
            self._changed.notify()

    def show(self, metrics: ScrapedMetrics, queue: str) -> None:
        """Show how many hints were sent, and how many could not be."""
        metrics.counter("charging_hints", HINTS_TEXT, lambda: self.sent, queue=queue, outcome="sent")
        metrics.counter("charging_hints", HINTS_TEXT, lambda: self.dropped, queue=queue, outcome="dropped")

    def close(self) -> None:
        """Send what is pending and end. Blocks for as long as one attempt takes, so never call it on the event loop while it serves."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (slots := self._due()) is not None:
            for slot in slots:
                self._try_to_send(slot)

    def _due(self) -> list[int] | None:
        """Wait until slots are due and return them, or None after the last of a closed waker."""
        with self._changed:
            while True:
                now = time.monotonic()
                if self._closed:
                    due, self._pending = list(self._pending), set()
                    return due or None
                due = [slot for slot in self._pending if self._next_at.get(slot, 0.0) <= now]
                if due:
                    self._pending.difference_update(due)
                    # Only the slots of the last moment are remembered: slots may be as many as vendors.
                    self._next_at = {slot: at for slot, at in self._next_at.items() if at > now}
                    for slot in due:
                        self._next_at[slot] = now + (self._stream_spacing_seconds if slot in self._streams else self._spacing_seconds)
                    self._streams.difference_update(due)
                    return due
                earliest = min((self._next_at[slot] for slot in self._pending), default=None)
                self._changed.wait(None if earliest is None else earliest - now)

    def _try_to_send(self, slot: int) -> None:
        try:
            crash_point("hint.before_send")
            self._send(slot)
            crash_point("hint.after_send")
        except Exception as error:
            if not self._failing:
                log.warning("wakeups.dropping", error=type(error).__name__, text=str(error))
            self._failing = True
            self.dropped += 1
        else:
            self.sent += 1
            if self._failing:
                log.warning("wakeups.sending_again")
            self._failing = False
