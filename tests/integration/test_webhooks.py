"""Webhooks against a real receiver: every event in order, signed, whoever dies; and never to where they must not go."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from services.customer_charge.domain.events import EventType
from services.customer_charge.domain.webhooks import Endpoint, EndpointState
from services.customer_charge.operations import change_webhooks, read_webhooks
from services.customer_charge.operations.deliver_webhooks import Delivery, deliver_events
from services.customer_charge.webhooks.deliveries import Deliveries
from services.customer_charge.webhooks.sender import WebhookSender
from services.customer_charge.webhooks.signing import SecretSafe
from shared.clock import utc_now
from shared.database import Connection
from tests.databases import Databases
from tests.integration.money import Money, open_money, order
from tests.integration.webhook_receiver import Receiver, open_receiver

SAFE = SecretSafe("a setting of thirty-two characters")
SENDER = WebhookSender(development=True)
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a partner's endpoint."""
    async with open_receiver() as opened:
        yield opened


def delivery_of(money: Money, **changes: Any) -> Delivery:
    """Return what delivers in development."""
    return replace(Delivery(money.cells, SENDER, SAFE, disable_days=5), **changes)


async def charged(money: Money, count: int, *, credit: int = 1_000_000, vendor_id: int = 0) -> int:
    """Settle so many charges of 1 and return the vendor."""
    vendor_id = vendor_id or await money.vendor(credit)
    customer_id = await money.customer()
    await money.accept(*[order(vendor_id, customer_id, 1) for _ in range(count)])
    await money.settle()
    return vendor_id


async def endpoint_for(money: Money, vendor_id: int, url: str, *, after: int | None = 0, types: Any = ()) -> tuple[Endpoint, str]:
    """Make an endpoint; return it and its secret."""
    shown, stored = SAFE.make()
    made = await change_webhooks.create_endpoint(
        money.cells.of(vendor_id),
        vendor_id=vendor_id,
        url=url,
        types=list(types),
        description="",
        after=after,
        secret=stored,
        actor="user:9",
    )
    return made, shown


async def now_of(money: Money, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint as it is now."""
    return await read_webhooks.get_endpoint(money.cells.of(endpoint.id), endpoint.id, None)


async def make_due(money: Money, endpoint: Endpoint) -> None:
    """Let the time of the next attempt have come, and that of a lease whose holder was killed."""

    async def work(connection: Connection) -> None:
        await connection.execute(
            "UPDATE webhook_endpoints SET next_attempt_at = created_at, leased_until = created_at WHERE id = %s", (endpoint.id,)
        )

    await money.cells.of(endpoint.id).transact(work)


async def test_events_come_in_order_and_signed(money: Money, receiver: Receiver) -> None:
    """Each message verifies by the standard's reference library, and names its event; changed by a byte it does not."""
    vendor_id = await charged(money, 3)
    endpoint, secret = await endpoint_for(money, vendor_id, receiver.url)
    assert await deliver_events(delivery_of(money), endpoint.id) == 3
    assert receiver.numbers == [1, 2, 3]
    for message in receiver.messages:
        message.verify(secret)
        assert message.headers["webhook-id"] == message.event["id"] == f"evt_{vendor_id}_{message.event['seq']}"
    with pytest.raises(WebhookVerificationError):
        replace(receiver.messages[0], body=receiver.messages[1].body).verify(secret)
    assert (await now_of(money, endpoint)).delivered_seq == 3
    assert await deliver_events(delivery_of(money), endpoint.id) == 0


async def test_a_new_endpoint_begins_with_the_next_event_unless_told_otherwise(money: Money, receiver: Receiver) -> None:
    """What happened before the endpoint was made is sent only on request."""
    vendor_id = await charged(money, 2)
    endpoint, _ = await endpoint_for(money, vendor_id, receiver.url, after=None)
    await charged(money, 1, vendor_id=vendor_id)
    await deliver_events(delivery_of(money), endpoint.id)
    assert receiver.numbers == [3]


async def test_types_that_are_not_wanted_are_passed_over(money: Money, receiver: Receiver) -> None:
    """The endpoint's place moves on past them, and they are not looked at again."""
    vendor_id = await charged(money, 4, credit=2)
    endpoint, _ = await endpoint_for(money, vendor_id, receiver.url, types=[EventType.CHARGE_FAILED])
    await charged(money, 1, vendor_id=vendor_id)
    await deliver_events(delivery_of(money), endpoint.id)
    assert receiver.numbers == [3, 4, 5]
    assert (await now_of(money, endpoint)).delivered_seq == 5


@pytest.mark.parametrize("status", [500, 404, 302, 300])
async def test_a_failure_holds_the_feed_up_until_it_is_mended(money: Money, receiver: Receiver, status: int) -> None:
    """Any answer but 2xx, redirects too, is tried again later, and nothing overtakes it."""
    vendor_id = await charged(money, 3)
    endpoint, _ = await endpoint_for(money, vendor_id, receiver.url)
    receiver.answers += [200, status]
    delivery = delivery_of(money)
    await deliver_events(delivery, endpoint.id)
    failed = await now_of(money, endpoint)
    assert (failed.delivered_seq, failed.failures, failed.state) == (1, 1, EndpointState.ENABLED)
    assert timedelta(seconds=3) < failed.next_attempt_at - utc_now() < timedelta(seconds=7)
    assert await deliver_events(delivery, endpoint.id) == 0
    assert receiver.numbers == [1, 2]
    await make_due(money, endpoint)
    await deliver_events(delivery, endpoint.id)
    assert receiver.numbers == [1, 2, 2, 3]
    mended = await now_of(money, endpoint)
    assert (mended.delivered_seq, mended.failures, mended.failing_since) == (3, 0, None)
    _, attempts = await read_webhooks.list_attempts(money.cells.of(endpoint.id), endpoint.id, None, before_id=LAST_ID, limit=10)
    assert [(each.event_seq, each.attempt, each.http_status) for each in attempts] == [
        (3, 1, 200),
        (2, 2, 200),
        (2, 1, status),
        (1, 1, 200),
    ]
    assert attempts[2].next_attempt_at == failed.next_attempt_at


async def test_an_endpoint_that_is_gone_is_disabled_until_it_is_enabled(money: Money, receiver: Receiver) -> None:
    """410 stops deliveries at once; enabled again, they go on where they stopped."""
    vendor_id = await charged(money, 2)
    endpoint, _ = await endpoint_for(money, vendor_id, receiver.url)
    receiver.answers += [410]
    await deliver_events(delivery_of(money), endpoint.id)
    gone = await now_of(money, endpoint)
    assert (gone.state, gone.disabled_reason) == (EndpointState.DISABLED, "it answered 410 Gone")
    await make_due(money, endpoint)
    assert await deliver_events(delivery_of(money), endpoint.id) == 0
    await change_webhooks.update_endpoint(
        money.cells.of(endpoint.id), endpoint.id, None, url=None, types=(), description=None, enabled=True, actor="user:9"
    )
    assert await deliver_events(delivery_of(money), endpoint.id) == 2
    assert receiver.numbers == [1, 1, 2]


async def test_an_endpoint_that_fails_for_days_is_disabled(money: Money, receiver: Receiver) -> None:
    """After the set time without one success nobody is asked any more."""
    endpoint, _ = await endpoint_for(money, await charged(money, 1), receiver.url)
    receiver.answers += [500]
    await deliver_events(delivery_of(money, disable_days=0), endpoint.id)
    assert (await now_of(money, endpoint)).state == EndpointState.DISABLED


async def test_an_answer_without_end_is_read_a_little(money: Money, receiver: Receiver) -> None:
    """The status counts; nobody fills our memory, and the event is delivered."""
    endpoint, _ = await endpoint_for(money, await charged(money, 1), receiver.url)
    receiver.answers += [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000]
    assert await deliver_events(delivery_of(money), endpoint.id) == 1


async def test_what_is_no_http_is_a_failed_attempt(money: Money, receiver: Receiver) -> None:
    """Garbage, and nobody at the address, are failures like any other."""
    endpoint, _ = await endpoint_for(money, await charged(money, 1), receiver.url)
    receiver.answers += [b"garbage\r\n\r\n"]
    await deliver_events(delivery_of(money), endpoint.id)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        await change_webhooks.update_endpoint(
            money.cells.of(endpoint.id), endpoint.id, None, url=nowhere, types=(), description=None, enabled=None, actor="user:9"
        )
        await make_due(money, endpoint)
        await deliver_events(delivery_of(money), endpoint.id)
    failed = await now_of(money, endpoint)
    assert (failed.failures, failed.delivered_seq) == (2, 0)
    _, attempts = await read_webhooks.list_attempts(money.cells.of(endpoint.id), endpoint.id, None, before_id=LAST_ID, limit=10)
    assert [(each.http_status, each.error) for each in attempts] == [(None, "ConnectError"), (None, "RemoteProtocolError")]


async def test_a_range_is_replayed_before_the_feed_goes_on(money: Money, receiver: Receiver) -> None:
    """The same events under the same names, then what is new; the feed's own place does not move back."""
    vendor_id = await charged(money, 5)
    endpoint, secret = await endpoint_for(money, vendor_id, receiver.url)
    delivery = delivery_of(money)
    await deliver_events(delivery, endpoint.id)
    await charged(money, 1, vendor_id=vendor_id)
    await change_webhooks.replay_events(money.cells.of(endpoint.id), endpoint.id, None, 2, 4, "user:9")
    await deliver_events(delivery, endpoint.id)
    assert receiver.numbers == [1, 2, 3, 4, 5, 2, 3, 4, 6]
    first, again = receiver.messages[1], receiver.messages[5]
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])
    again.verify(secret)
    done = await now_of(money, endpoint)
    assert (done.delivered_seq, done.replayed_seq, done.replay_until) == (6, None, None)


async def test_after_a_rotation_both_secrets_verify(money: Money, receiver: Receiver) -> None:
    """For a day a message carries two signatures; then the old secret is worth nothing."""
    vendor_id = await charged(money, 1)
    endpoint, old = await endpoint_for(money, vendor_id, receiver.url)
    new, stored = SAFE.make()
    await change_webhooks.rotate_secret(money.cells.of(endpoint.id), endpoint.id, None, stored, "user:9")
    await deliver_events(delivery_of(money), endpoint.id)
    for secret in (old, new):
        receiver.messages[0].verify(secret)

    async def age(connection: Connection) -> None:
        await connection.execute("UPDATE webhook_endpoints SET previous_until = created_at WHERE id = %s", (endpoint.id,))

    await money.cells.of(endpoint.id).transact(age)
    await charged(money, 1, vendor_id=vendor_id)
    await deliver_events(delivery_of(money), endpoint.id)
    receiver.messages[1].verify(new)
    with pytest.raises(WebhookVerificationError):
        receiver.messages[1].verify(old)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
async def test_a_name_that_leads_to_a_private_address_is_not_asked(
    money: Money, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Outside development the address is looked at for each delivery, whatever the name was when the endpoint was made."""
    port = int(receiver.url.rpartition(":")[2].strip("/"))
    endpoint, _ = await endpoint_for(money, await charged(money, 1), f"https://partner.example:{port}/")

    async def rebound(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port)) for found in ("93.184.215.14", address)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)
    await deliver_events(delivery_of(money, sender=WebhookSender(development=False)), endpoint.id)
    assert receiver.messages == []
    _, (attempt,) = await read_webhooks.list_attempts(money.cells.of(endpoint.id), endpoint.id, None, before_id=LAST_ID, limit=10)
    assert attempt.error == "the URL its host resolves to a private address"


async def test_two_deliveries_side_by_side_send_each_event_once(money: Money, receiver: Receiver) -> None:
    """One holds the lease; the others find nothing to do."""
    endpoint, _ = await endpoint_for(money, await charged(money, 20), receiver.url)
    delivery = delivery_of(money)
    assert sorted(await asyncio.gather(*[deliver_events(delivery, endpoint.id) for _ in range(4)])) == [0, 0, 0, 20]
    assert receiver.numbers == list(range(1, 21))


async def test_a_delivery_killed_at_random_loses_nothing_and_keeps_the_order(money: Money, receiver: Receiver) -> None:
    """A consumer that drops what it has seen by `webhook-id` reads 1, 2, 3... though deliverers die and the receiver fails."""
    vendor_id = await charged(money, 1)
    endpoint, _ = await endpoint_for(money, vendor_id, receiver.url)
    rng, total = random.Random(11), 150
    while (await now_of(money, endpoint)).delivered_seq < total:
        if rng.random() < 0.2 and await _head(money, vendor_id) < total:
            await charged(money, min(10, total - await _head(money, vendor_id)), vendor_id=vendor_id)
        if rng.random() < 0.2:
            receiver.answers.append(503)
        deliveries = Deliveries(delivery_of(money))
        await make_due(money, endpoint)
        for cell in range(len(money.cells)):
            await deliveries.sweep(cell)
        await asyncio.wait({asyncio.ensure_future(deliveries.settled())}, timeout=rng.random() / 20)
        await deliveries.close()
    seen: list[int] = []
    for number in receiver.numbers:
        if number not in seen:
            seen.append(number)
    assert seen == list(range(1, total + 1))


async def _head(money: Money, vendor_id: int) -> int:
    async with money.cells.of(vendor_id).reading() as connection:
        row = await (await connection.execute("SELECT last_seq FROM event_heads WHERE vendor_id = %s", (vendor_id,))).fetchone()
    assert row is not None
    return int(row[0])
