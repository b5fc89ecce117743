"""Hints that a slot has pending charges."""

from dramatiq import Message

from services.customer_charge.settings import CustomerChargeSettings
from shared.wakeups.broker import DoorbellRedisBroker, build_broker
from shared.wakeups.waker import Waker

QUEUE = "settle_slot"


def build_waker(settings: CustomerChargeSettings) -> Waker:
    """Return what tells the workers that a slot has pending charges."""
    broker = build_broker(settings.redis_url)
    broker.declare_queue(QUEUE)
    return Waker(lambda slot: send(broker, slot))


def send(broker: DoorbellRedisBroker, slot: int) -> None:
    """Send one hint. Raises redis.RedisError."""
    broker.enqueue(Message(queue_name=QUEUE, actor_name=QUEUE, args=(slot,), kwargs={}, options={}))
