"""A consumer that waits for the doorbell instead of polling."""

from collections.abc import Iterable
from threading import Event
from typing import Any

import redis
from dramatiq import Message, MessageProxy
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.errors import ConnectionClosed

from shared.redis_clients import open_redis

WAIT_SECONDS = 1
"""Longest wait between two looks at the queue; each look is a heartbeat too (see HEARTBEAT_TIMEOUT_MS)."""

BELL_SOCKET_TIMEOUT_SECONDS = WAIT_SECONDS + 2.0
"""The answer to a wait comes at its end at the latest; two seconds more mean that Redis is gone."""


class DoorbellConsumer(_RedisConsumer):
    """Fetch the messages of one queue.

    Delay queues (`<queue>.DQ`) have no bell: their messages are due by the clock, which the caller looks at once a second. A time-out
    is reported to dramatiq as a lost connection: redis-py's TimeoutError is no ConnectionError, and dramatiq knows only the latter.
    """

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._bell = None if queue_name.endswith(".DQ") else broker.doorbell(queue_name)
        self._room = Event()
        self._client = open_redis(broker.url, timeout_seconds=BELL_SOCKET_TIMEOUT_SECONDS, connect_seconds=WAIT_SECONDS)

    def __next__(self) -> MessageProxy | None:
        """Return a message, or None after a wait so that the caller can look after its other duties."""
        try:
            message = self._next_kept() or self._next_fetched()
            if message is None:
                self._wait()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None
        return message

    def ack(self, message: MessageProxy) -> None:
        """Mark a message as done."""
        try:
            super().ack(message)  # type: ignore[no-untyped-call]
        except redis.TimeoutError as error:
            raise ConnectionClosed(error) from None
        finally:
            self._room.set()

    def nack(self, message: MessageProxy) -> None:
        """Move a message to the dead letters."""
        try:
            super().nack(message)  # type: ignore[no-untyped-call]
        except redis.TimeoutError as error:
            raise ConnectionClosed(error) from None
        finally:
            self._room.set()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give messages back to the queue."""
        try:
            super().requeue(messages)  # type: ignore[no-untyped-call]
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None

    def close(self) -> None:
        """Close the connection to the bell."""
        self._client.close()

    def _next_kept(self) -> MessageProxy | None:
        while self.message_cache:
            data = self.message_cache.pop(0)
            if data is not None:  # None: the message was purged between its id and its body
                message = MessageProxy(Message.decode(data))
                self.queued_message_ids.add(message.message_id)
                return message
        return None

    def _next_fetched(self) -> MessageProxy | None:
        # Asking for none is still a heartbeat, so a worker that is busy for long with all it may hold does not pass for dead.
        self._room.clear()
        self.message_cache = self.broker.do_fetch(self.queue_name, max(0, self.prefetch - self.outstanding_message_count))
        return self._next_kept()

    def _wait(self) -> None:
        if self._bell is None or self.outstanding_message_count >= self.prefetch:
            self._room.wait(WAIT_SECONDS)  # the bell would ring for messages that there is no room for
        else:
            self._client.blpop([self._bell], timeout=WAIT_SECONDS)
