"""Changes of webhook endpoints in the audit log: each with who, what and the values, and none without its deed."""

from collections.abc import AsyncIterator

import pytest

from services.customer_charge.operations import change_webhooks
from services.customer_charge.webhooks.signing import SecretSafe
from shared.audit_log.reading import LogFilter, list_audit_log, verify_audit_log
from shared.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.databases import Databases
from tests.integration.money import Money, open_money

SAFE = SecretSafe("a setting of thirty-two characters")
MAX_INT64 = 2**63 - 1
URL, OTHER = "https://example.com/a?token=x", "https://example.com/b"


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as opened:
        yield opened


async def log_of(money: Money, vendor: int) -> list[tuple[str, str, str, dict[str, str]]]:
    """Return actor, action, target and details of each entry, oldest first."""
    found = await list_audit_log(money.cells.of(vendor), LogFilter(), before_seq=MAX_INT64, limit=200)
    return [(entry.actor, entry.action, entry.target, entry.facts) for entry in reversed(found)]


async def test_each_change_of_an_endpoint_is_an_entry_of_the_log(money: Money) -> None:
    """Created, changed, disabled, enabled, rotated, replayed and removed, by whom; nothing for a change that changes nothing."""
    vendor, (shown, stored) = await money.vendor(10), SAFE.make()
    endpoint = await change_webhooks.create_endpoint(
        money.cells.of(vendor), vendor_id=vendor, url=URL, types=[1, 5], description="till", after=None, secret=stored, actor="user:1"
    )

    async def update(actor: str, url: str | None = None, *, enabled: bool | None = None) -> None:
        await change_webhooks.update_endpoint(
            money.cells.of(endpoint.id), endpoint.id, None, url=url, types=(), description=None, enabled=enabled, actor=actor
        )

    await update("user:2", OTHER)
    await update("user:2", OTHER)
    await update("user:3", enabled=False)
    await update("user:3", enabled=True)
    await change_webhooks.rotate_secret(money.cells.of(endpoint.id), endpoint.id, None, stored, "user:4")
    with pytest.raises(InvalidArgument):
        await change_webhooks.replay_events(money.cells.of(endpoint.id), endpoint.id, None, 1, 7, "user:5")
    await change_webhooks.remove_endpoint(money.cells.of(endpoint.id), endpoint.id, None, "user:6")
    with pytest.raises(NotFound):
        await change_webhooks.remove_endpoint(money.cells.of(endpoint.id), endpoint.id, None, "user:6")

    target, of_vendor = f"webhook_endpoint:{endpoint.id}", {"vendor": str(vendor)}
    log = await log_of(money, vendor)
    until = log[4][3].pop("previous_until")
    made = {"after": "0", "url": URL, "types": "charge_succeeded,balance_low", "description": "till", "enabled": "true"}
    assert until > "2026"
    assert log == [
        ("user:1", "create_webhook_endpoint", target, of_vendor | made),
        ("user:2", "update_webhook_endpoint", target, of_vendor | {"url": OTHER, "url_before": URL}),
        ("user:3", "update_webhook_endpoint", target, of_vendor | {"enabled": "false", "enabled_before": "true"}),
        ("user:3", "update_webhook_endpoint", target, of_vendor | {"enabled": "true", "enabled_before": "false"}),
        ("user:4", "rotate_webhook_secret", target, of_vendor),
        ("user:6", "delete_webhook_endpoint", target, of_vendor | {"url": OTHER}),
    ]
    assert shown.removeprefix("whsec_") not in str(log)
    assert (await verify_audit_log(money.cells.of(vendor))).finding is None


async def test_a_replay_is_an_entry_and_an_endpoint_too_many_is_none(money: Money) -> None:
    """The range of the replay is told; who was refused did nothing."""
    vendor, (_, stored) = await money.vendor(), SAFE.make()

    async def create() -> int:
        made = await change_webhooks.create_endpoint(
            money.cells.of(vendor), vendor_id=vendor, url=URL, types=(), description="", after=None, secret=stored, actor="user:1"
        )
        return made.id

    first = await create()
    await money.cells.of(first).transact(lambda connection: connection.execute("UPDATE webhook_endpoints SET delivered_seq = 9"))
    await change_webhooks.replay_events(money.cells.of(first), first, [vendor], 2, 9, "user:5")
    replayed = ("user:5", "replay_webhook_events", f"webhook_endpoint:{first}", {"vendor": str(vendor), "first": "2", "last": "9"})
    assert (await log_of(money, vendor))[1:] == [replayed]
    for _ in range(change_webhooks.ENDPOINTS_MAX - 1):
        await create()
    before = len(await log_of(money, vendor))
    with pytest.raises(FailedPrecondition):
        await create()
    with pytest.raises(NotFound):
        await change_webhooks.rotate_secret(money.cells.of(first), first, [vendor + 1], stored, "user:8")
    assert len(await log_of(money, vendor)) == before
