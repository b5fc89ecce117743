"""Hints that a vendor has approved credit to post."""

from dramatiq import Message

from services.vendor_credit.settings import VendorCreditSettings
from shared.wakeups.broker import DoorbellRedisBroker, build_broker
from shared.wakeups.waker import Waker

QUEUE = "post_credit"


def build_waker(settings: VendorCreditSettings) -> Waker:
    """Return what tells the workers that a vendor has approved credit; the "slot" is the vendor id."""
    broker = build_broker(settings.redis_url)
    broker.declare_queue(QUEUE)
    return Waker(lambda vendor_id: send(broker, vendor_id))


def send(broker: DoorbellRedisBroker, vendor_id: int) -> None:
    """Send one hint. Raises redis.RedisError."""
    broker.enqueue(Message(queue_name=QUEUE, actor_name=QUEUE, args=(vendor_id,), kwargs={}, options={}))
