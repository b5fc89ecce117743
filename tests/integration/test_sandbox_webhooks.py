"""The sandbox's customer whose events come twice: to webhooks too, under one name, and nobody else's."""

from collections.abc import AsyncIterator

import pytest

from services.customer_charge.operations import change_webhooks
from services.customer_charge.operations.create_customer import create_customer
from services.customer_charge.operations.deliver_webhooks import Delivery, deliver_events
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.webhooks.building import build_deliveries
from services.customer_charge.webhooks.sandbox_sender import DOUBLED_NUMBER, SandboxSender
from services.customer_charge.webhooks.signing import SecretSafe
from services.gateway.sandbox.scripts import CUSTOMERS, Script
from tests.databases import Databases
from tests.integration.money import Money, open_money, order
from tests.integration.webhook_receiver import open_receiver

SECRET = "a setting of thirty-two characters"
SAFE = SecretSafe(SECRET)


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


def test_the_number_is_that_of_the_guide() -> None:
    """The service and the door play one script."""
    assert CUSTOMERS[DOUBLED_NUMBER] is Script.DUPLICATE_EVENT


async def test_events_of_the_customer_are_posted_twice_and_others_once(money: Money) -> None:
    """Both verify, with the same id and body, in order; the feed goes on as if they had come once."""
    vendor = await money.vendor(100)
    plain, doubled = await money.customer(), (await create_customer(money.cells, DOUBLED_NUMBER, [], None)).id
    for customer in (plain, doubled, plain):
        await money.accept(order(vendor, customer, 1))
        await money.settle()
    shown, stored = SAFE.make()
    async with open_receiver() as receiver:
        endpoint = await change_webhooks.create_endpoint(
            money.cells.of(vendor),
            vendor_id=vendor,
            url=receiver.url,
            types=(),
            description="",
            after=0,
            secret=stored,
            actor="user:1",
        )
        delivery = Delivery(money.cells, SandboxSender(money.cells), SAFE, disable_days=5)
        assert await deliver_events(delivery, endpoint.id) == 3
        assert receiver.numbers == [1, 2, 2, 3]
        first, second = receiver.messages[1:3]
        assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
        for message in receiver.messages:
            message.verify(shown)
        assert await deliver_events(delivery, endpoint.id) == 0


async def test_a_message_that_was_not_taken_is_not_doubled(money: Money) -> None:
    """A failure is one attempt, and the next one is made when it is due."""
    vendor, doubled = await money.vendor(100), (await create_customer(money.cells, DOUBLED_NUMBER, [], None)).id
    await money.accept(order(vendor, doubled, 1))
    await money.settle()
    _, stored = SAFE.make()
    async with open_receiver() as receiver:
        receiver.answers.append(500)
        endpoint = await change_webhooks.create_endpoint(
            money.cells.of(vendor),
            vendor_id=vendor,
            url=receiver.url,
            types=(),
            description="",
            after=0,
            secret=stored,
            actor="user:1",
        )
        assert await deliver_events(Delivery(money.cells, SandboxSender(money.cells), SAFE, disable_days=5), endpoint.id) == 0
        assert receiver.numbers == [1]


async def test_no_other_profile_has_a_sandbox(money: Money) -> None:
    """A process that would post twice in production does not start."""
    settings = CustomerChargeSettings(
        database_url="postgresql://unused",
        profile="production",
        sandbox=True,
        webhook_encryption_secret=SECRET,  # type: ignore[arg-type]
    )
    with pytest.raises(SystemExit, match="CHARGING_SANDBOX"):
        build_deliveries(settings, money.cells)
