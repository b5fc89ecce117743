"""Messages between processes may be lost, doubled, late, forged or garbage: they are hints, and change no balance."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import dramatiq
import pytest

from services.customer_charge.wakeups import QUEUE as CHARGES
from services.vendor_credit.wakeups import QUEUE as CREDIT
from shared.local.stack import Stack
from shared.wakeups.broker import DoorbellRedisBroker, build_broker
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.strikes import frozen
from tests.system.office import Office

FORGED: tuple[tuple[Any, ...], ...] = ((10**9,), (-1,), ("one",), (None,), ({"slot": 0},), (0, 0), (), (2**80,))
"""Arguments that no hint of ours has."""


def hint(queue: str, *arguments: Any, options: dict[str, Any] | None = None) -> dramatiq.Message[Any]:
    """Return a message to a queue's own actor."""
    return dramatiq.Message(queue, queue, arguments, {}, options or {})


def lose(broker: DoorbellRedisBroker) -> None:
    """Take every message out of the queues."""
    for queue in (CHARGES, CREDIT):
        broker.flush(queue)


def double(broker: DoorbellRedisBroker) -> None:
    """Send every hint that there can be many times over."""
    for number in range(60):
        broker.enqueue(hint(CHARGES, number % 4))
        broker.enqueue(hint(CREDIT, number))


def delay(broker: DoorbellRedisBroker) -> None:
    """Send hints that arrive long after their time."""
    for number in range(10):
        broker.enqueue(hint(CHARGES, number % 4), delay=500 + 100 * number)
        broker.enqueue(hint(CREDIT, number), delay=500 + 100 * number)


def forge(broker: DoorbellRedisBroker) -> None:
    """Send what nobody of ours would: other arguments, unknown actors, and bytes that are no message."""
    for arguments in FORGED:
        broker.enqueue(hint(CHARGES, *arguments))
        broker.enqueue(hint(CREDIT, *arguments))
    broker.enqueue(dramatiq.Message(CHARGES, "make_me_rich", (1_000_000,), {}, {}))
    for garbage in (b"", b"null", b"{}", os.urandom(64), json.dumps({"queue_name": CHARGES}).encode()):
        identifier = str(uuid4())
        broker.client.hset(f"{broker.namespace}:{CHARGES}.msgs", identifier, garbage)
        broker.client.rpush(f"{broker.namespace}:{CHARGES}", identifier)
    broker.enqueue(hint(CHARGES, 0))


BLOWS: dict[str, Callable[[DoorbellRedisBroker], None]] = {"lost": lose, "doubled": double, "late": delay, "forged": forge}


@pytest.mark.parametrize("seed", SEEDS)
def test_bad_messages_under_load_break_no_promise(stack: Stack, office: Office, server_folder: Path, seed: int) -> None:
    """Every kind once, in an order that the seed chooses; and the workers still take hints afterwards."""
    broker = build_broker(stack.environment["REDIS_URL"])
    for queue in (CHARGES, CREDIT):
        broker.declare_queue(queue)
    blows = Random(seed).sample(list(BLOWS.values()), len(BLOWS))
    play(
        stack,
        office,
        lambda: blows.pop()(broker),
        seed=seed,
        history=server_folder / f"messages-{seed}.jsonl",
        charges=200,
        strikes=len(BLOWS),
    )
    lose(broker)
    broker.close()
    with frozen(stack, "scheduler"):  # so that it is the worker, woken by a hint, who settles
        partner = office.partner()
        office.approved(partner.vendor, 10)
        office.final(office.post("/api/customer/increase-credit/", partner.order(1))["data"]["id"])
