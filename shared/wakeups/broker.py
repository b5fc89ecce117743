"""A dramatiq Redis broker whose idle workers wake at once and otherwise sleep."""

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries

from shared.redis_clients import open_redis
from shared.wakeups.consumer import DoorbellConsumer
from shared.wakeups.event_loop import UvloopAsyncIO

SOCKET_TIMEOUT_SECONDS = 0.5
"""Long for a Redis that works, short for a thread that waits for one that does not. Nothing of a caller waits here: see `waker`."""

HEARTBEAT_TIMEOUT_MS = 5_000
"""After this long without a sign of life a worker's unfinished messages are given back. Living workers show one every second."""

MAINTENANCE_CHANCE = 200_000
"""Of a million commands, how many look for dead workers. An idle worker sends one a second for each queue, so even a lone idle one looks
every five seconds on average (the stock chance of 1,000 means once in a quarter of an hour)."""

DOORBELL_RINGS_MAX = 16
"""Rings kept for workers that are busy or away. Each means one look at the queue, so more would only be looks in vain."""

DOORBELL_LIFE_MS = 60_000
"""A bell that nobody listens to is forgotten."""

BACKLOG_MAX = 1_000
"""Messages of one queue beyond which no more are added. They are hints: whoever works through a thousand has seen every slot many times."""

DEAD_MESSAGE_LIFE_MS = 3_600_000
"""How long the messages of failed actors are kept for a look at them."""


class DoorbellRedisBroker(RedisBroker):
    """A Redis broker for hints, with a doorbell per queue.

    The stock consumer sleeps and polls: up to a second of delay, or much idle work. Here each message also rings the queue's bell, a
    short list, and an idle consumer waits on the bell in Redis itself (BLPOP). A ring too many is a look in vain; a ring too few is found
    by the look that every consumer takes once a second anyway, which is also its heartbeat.

    Warning: for hints only. Beyond `BACKLOG_MAX` waiting messages of a queue `enqueue` drops further ones, so that a long time without
    workers does not fill Redis.
    """

    def __init__(self, url: str) -> None:
        client = open_redis(url, timeout_seconds=SOCKET_TIMEOUT_SECONDS)
        super().__init__(  # type: ignore[no-untyped-call]
            client=client,
            middleware=[UvloopAsyncIO(), Retries(max_retries=0)],
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            maintenance_chance=MAINTENANCE_CHANCE,
            dead_message_ttl=DEAD_MESSAGE_LIFE_MS,
        )
        self.url = url
        self._backlogs: dict[str, int] = {}

    @property
    def consumer_class(self) -> type[DoorbellConsumer]:
        """Return the consumer that waits on the doorbell."""
        return DoorbellConsumer

    def enqueue(self, message: Message[object], *, delay: int | None = None) -> Message[object]:
        """Add a message and ring its queue's bell. Raises redis.RedisError when Redis does not answer within half a second."""
        queue_name = message.queue_name
        if self._backlogs.get(queue_name, 0) < BACKLOG_MAX:
            message = super().enqueue(message, delay=delay)
        self._ring(queue_name)
        return message

    def doorbell(self, queue_name: str) -> str:
        """Return the key of a queue's bell."""
        return f"{self.namespace}:{queue_name}.bell"

    def close(self) -> None:
        """Close the connections of this broker."""
        self.client.close()

    def _ring(self, queue_name: str) -> None:
        bell = self.doorbell(queue_name)
        with self.client.pipeline(transaction=False) as pipe:
            pipe.lpush(bell, b"")
            pipe.ltrim(bell, 0, DOORBELL_RINGS_MAX - 1)
            pipe.pexpire(bell, DOORBELL_LIFE_MS)
            pipe.llen(f"{self.namespace}:{queue_name}")
            self._backlogs[queue_name] = pipe.execute()[-1]


def build_broker(redis_url: str) -> DoorbellRedisBroker:
    """Return a broker for async actors. It connects when it is first used.

    Actors have no retries unless they ask for them: one that fails has left its rows as they were, and the next hint or the sweeper tries
    again. Async actors run on the one event loop of their worker.
    """
    return DoorbellRedisBroker(redis_url)
