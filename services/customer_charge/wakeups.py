"""Hints that a slot has pending charges, or that there are pending reversals."""

from dramatiq import Message

from services.customer_charge.settings import CustomerChargeSettings
from shared.wakeups.broker import DoorbellRedisBroker, build_broker
from shared.wakeups.waker import Waker

QUEUE = "settle_slot"

REVERSAL_QUEUE = "settle_reversals"
"""Reversals are few: one worker at a time settles all of a cell, as the work of one slot, which has the number of the cell."""

WEBHOOK_QUEUE = "deliver_webhooks"


def build_waker(settings: CustomerChargeSettings, queue: str = QUEUE) -> Waker:
    """Return what tells the workers that a slot has work, by hints in the queue."""
    broker = build_broker(settings.redis_url)
    broker.declare_queue(queue)
    return Waker(lambda slot: send(broker, slot, queue))


def send(broker: DoorbellRedisBroker, slot: int, queue: str = QUEUE) -> None:
    """Send one hint. Raises redis.RedisError."""
    broker.enqueue(Message(queue_name=queue, actor_name=queue, args=(slot,), kwargs={}, options={}))


def send_webhook_hint(broker: DoorbellRedisBroker, endpoint_id: int) -> None:
    """Hint that something is to be delivered to an endpoint. Raises redis.RedisError."""
    broker.enqueue(Message(queue_name=WEBHOOK_QUEUE, actor_name=WEBHOOK_QUEUE, args=(endpoint_id,), kwargs={}, options={}))
