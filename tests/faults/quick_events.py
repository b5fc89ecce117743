"""Quick plays of what vendors are told: facts that are relayed again, webhooks whose deliverers die, and charges that repeat others."""

import asyncio
from collections.abc import Sequence

import psycopg

from services.customer_charge.operations import change_webhooks, deliver_webhooks
from services.customer_charge.operations.deliver_webhooks import Delivery, deliver_events
from services.customer_charge.operations.record_events import append_facts
from services.customer_charge.webhooks.sender import WebhookSender
from services.customer_charge.webhooks.signing import SecretSafe
from services.vendor_credit.domain.facts import Fact
from services.vendor_credit.operations.post_credit import post_credit
from services.vendor_credit.operations.relay_facts import relay_facts
from services.vendor_credit.operations.update_vendor import update_vendor
from shared import database
from shared.cells import Cells
from shared.crash_points import operation_of
from shared.errors import Unavailable
from tests.cells import change_in_cells, rows_in_cells
from tests.faults.facts import read_facts
from tests.faults.model_feeds import replay_webhooks
from tests.faults.quick_reversals import settle_all_reversals
from tests.faults.receiver import WebhookReceiver
from tests.faults.stage import Stage
from tests.faults.webhooks import LEFT, LET_TIME_PASS
from tests.integration.test_events import feed_fact

WINDOW_SECONDS = 60
LOST_SHARE = 0.4
DELIVERIES_MAX = 40


class LocalFeed:
    """The customer-charge service's feed without the wire; the first `lost` questions and answers get lost, in turn."""

    def __init__(self, cells: Cells, *, lost: int = 0) -> None:
        self._cells = cells
        self._lost = lost

    async def append(self, facts: Sequence[Fact]) -> None:
        """Append facts, each once."""
        lost, self._lost = self._lost, self._lost - 1
        if lost > 0 and lost % 2:
            raise Unavailable("the question got lost")
        await append_facts(self._cells, [feed_fact(fact) for fact in facts])
        if lost > 0:
            raise Unavailable("the answer got lost")


async def relay_all(stage: Stage) -> None:
    """Let the feeds show what the vendor ledger told."""
    await stage.guarded(relay_facts(stage.money.vendors, LocalFeed(stage.money.cells)))


async def lost_finishes(stage: Stage) -> None:
    """Break connections around the COMMIT of settlements, again and again."""
    random = stage.random

    def break_off(moment: str, work: object = None) -> None:
        if work is not None and operation_of(work) == "settle_charges" and random.random() < LOST_SHARE:
            raise psycopg.OperationalError(f"the connection is lost {moment}")

    for number in range(8):
        await stage.accept(stage.order(5, vendor=number % 2), stage.order(6))
        database.crash_point, whole = break_off, database.crash_point
        await stage.settle()
        database.crash_point = whole


async def told_again(stage: Stage) -> None:
    """Lose answers of the feed and questions to it, so that facts are told again, by several at once."""
    feed = LocalFeed(stage.money.cells, lost=9)
    for amount in (20, 30, 40):
        await stage.credit(amount, vendor=amount // 10 % 2)
        await stage.guarded(post_credit(stage.money.vendors, stage.vendors))
        await stage.guarded(relay_facts(stage.money.vendors, feed))
        await asyncio.gather(*[stage.guarded(relay_facts(stage.money.vendors, feed)) for _ in range(3)])
        await stage.accept(stage.order(5))
        await stage.settle()


async def repeated(stage: Stage) -> None:
    """Order the same again at a vendor with a window: in one batch, later, and when another worker has the first one in hand."""
    vendor = stage.vendors[0]
    await update_vendor(
        stage.money.vendors, vendor, name=None, credit_limit=None, suspended=None, duplicate_window_seconds=WINDOW_SECONDS, actor="operator"
    )
    await stage.accept(*[stage.order(9, customer=number % 2) for number in range(4)])
    await stage.settle()
    await stage.accept(stage.order(9), stage.order(8))
    await stage.settle(2)
    await asyncio.gather(*[stage.accept(stage.order(8), stage.order(7)) for _ in range(4)], *[stage.settle() for _ in range(3)])


class Dying:
    """Deliverers that die at these points, one after the other; the last ones live. `left` says which points are still to come."""

    def __init__(self, *points: str) -> None:
        self.left = list(points)

    def reach(self, moment: str, work: object = None) -> None:
        """Die, if it is this point's turn."""
        name = moment if work is None else f"{operation_of(work)}.{moment}"
        if self.left and self.left[0] == name:
            self.left.pop(0)
            raise asyncio.CancelledError


async def brought(stage: Stage) -> None:
    """Bring a vendor's events to a receiver that refuses some, by deliverers that die before and after sending and before they say so."""
    vendor = stage.vendors[0]
    safe = SecretSafe("a setting of thirty-two characters")
    delivery = Delivery(stage.money.cells, WebhookSender(development=True), safe, disable_days=5)
    dying = Dying(
        "webhook.before_send",
        "webhook.after_send",
        "deliver_webhooks.before_commit",
        "webhook.before_send",
        "deliver_webhooks.after_commit",
    )
    with WebhookReceiver() as receiver:
        endpoint = await change_webhooks.create_endpoint(
            stage.money.cells.of(vendor),
            vendor_id=vendor,
            url=receiver.url,
            types=[],
            description="",
            after=0,
            secret=safe.make()[1],
            actor="user:1",
        )
        for turn in range(3):
            orders = [stage.order(11 + number) for number in range(4)]
            await stage.accept(*orders, stage.order(10_000))
            await stage.settle()
            await relay_all(stage)
            receiver.refusals += [500] if turn else []
            await _deliver(stage, delivery, endpoint.id, dying)
        await settle_all_reversals(stage)
        for _ in range(DELIVERIES_MAX):
            if not _left(stage, vendor):
                break
            await _deliver(stage, delivery, endpoint.id, dying)
        facts = read_facts(stage.admin_url, stage.vendors)
        stage.findings += [f"invariant {each.invariant}: {each.text}" for each in replay_webhooks(facts, vendor, receiver.messages)]
    if dying.left:
        stage.findings.append(f"broke: nobody came to {dying.left}")


def _left(stage: Stage, vendor: int) -> bool:
    with psycopg.connect(stage.admin_url, autocommit=True) as admin:
        return bool(rows_in_cells(admin, LEFT, (vendor,)))


async def _deliver(stage: Stage, delivery: Delivery, endpoint_id: int, dying: Dying) -> None:
    """Let one more deliverer go to work, after whatever it may have to wait for."""
    with psycopg.connect(stage.admin_url, autocommit=True) as admin:
        change_in_cells(admin, LET_TIME_PASS, (stage.vendors[0],))
    alive = database.crash_point, deliver_webhooks.crash_point
    database.crash_point = deliver_webhooks.crash_point = dying.reach
    try:
        await deliver_events(delivery, endpoint_id)
    except asyncio.CancelledError:
        return
    finally:
        database.crash_point, deliver_webhooks.crash_point = alive
