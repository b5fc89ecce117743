"""Crash points of what operators do: the write happened whole or not at all, and asking again ends well."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

from shared.local.stack import Stack
from tests.faults.client import CHARGE_PATH, RetryingClient, Wish
from tests.faults.crash import FALL_SECONDS, CrashFolder, arm
from tests.faults.history import History
from tests.faults.points import ASKED, OFFICE, PERIODIC, Point, commit
from tests.support import wait_until
from tests.system.office import Office, async_caller, caller
from tests.system.stacks import query, ready

PASSWORD = "a long enough password"
LOGGED = "SELECT count(*) FROM gateway.audit_log WHERE action = %s AND target = %s"
NEW_EACH_TIME = {"issued_at", "signature"}
Deed = Callable[[RetryingClient, Office, Stack], Awaitable[None]]


async def create_vendor(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect one vendor for one key, whatever dies."""
    name = f"crash-{uuid4()}"
    vendor = await client.write(Wish("vendor", name, "/api/vendor/", {"name": name}))
    assert vendor is not None
    assert query(stack, "SELECT id FROM vendor_credit.vendors WHERE name = %s", (name,)) == [(vendor["id"],)]


async def update_vendor(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect the change to be there when it was answered."""
    vendor = office.vendor()
    await client.write(Wish("vendor", str(uuid4()), f"/api/vendor/{vendor}/", {"suspended": True}, method="PATCH"))
    assert office.get(f"/api/vendor/{vendor}/")["data"]["suspended"] is True


async def read_statement(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect the statement of a period that is over to be the same each time: the first who asks closes the period."""
    path = f"/api/vendor/{office.vendor()}/statement/"
    # Up to this moment: only a period that ends after the vendor's last entry is still to be closed.
    period = {"from": "2020-01-01T00:00:00Z", "to": datetime.now(UTC).isoformat()}
    first = await client.write(Wish("read", path, f"{path}?{urlencode(period)}", method="GET"))
    assert first is not None
    again = office.get(path, **period)["data"]
    assert {name: again[name] for name in again.keys() - NEW_EACH_TIME} == {name: first[name] for name in first.keys() - NEW_EACH_TIME}


async def create_customer(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect one customer for one phone number."""
    number = f"+9{uuid4().int % 10**12:012}"  # a country code never begins with 0
    customer = await client.write(Wish("customer", number, "/api/customer/", {"phone_number": number}))
    assert customer is not None
    assert query(stack, "SELECT id FROM customer_charge.customers WHERE phone_number = %s", (number,)) == [(customer["id"],)]


async def create_user(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect the user and the line in the operators' log together; who is told that the name is taken can log in."""
    name = f"crash-{uuid4()}"
    body = {"username": name, "password": PASSWORD, "role": "partner", "vendors": [1]}
    await client.write(Wish("user", name, "/api/auth/users/", body))
    log_in(office, name, PASSWORD)
    (user,) = query(stack, "SELECT id FROM gateway.users WHERE username = %s", (name,))
    assert logged(stack, "create_user", f"user:{user[0]}") == 1


async def create_user_token(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect a token that was handed out to work, and each one that exists to be in the log."""
    user = new_user(office)
    answer = await client.write(Wish("user", str(uuid4()), f"/api/auth/users/{user}/token/", {"label": "crash"}))
    assert answer is not None
    async with async_caller(office.url, answer["token"]) as bearer:
        assert (await bearer.get("/api/vendor/1/")).status_code == httpx.codes.OK
    (issued,) = query(stack, "SELECT count(*) FROM gateway.issued_tokens WHERE user_id = %s", (user,))
    (known,) = query(stack, LOGGED, ("create_user_token", f"user:{user}"))
    assert issued == known


async def create_token(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect that logging in again after the crash works."""
    answer = await client.write(Wish("user", str(uuid4()), "/api/auth/token/", {"username": "partner", "password": "partner"}))
    assert answer is not None
    assert answer["token"]


async def disable_user(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect a user who was said to be disabled to be so, and that to be logged once."""
    user = new_user(office, f"crash-{uuid4()}")
    await client.write(Wish("user", str(uuid4()), f"/api/auth/users/{user}/disable/"))
    ((disabled,),) = query(stack, "SELECT disabled_at IS NOT NULL FROM gateway.users WHERE id = %s", (user,))
    assert disabled
    assert logged(stack, "disable_user", f"user:{user}") == 1


async def revoke_token(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect a token that was said to be revoked to be so, and that to be logged once."""
    user = new_user(office)
    token = office.post(f"/api/auth/users/{user}/token/", {"label": "crash"})
    await client.write(Wish("user", str(uuid4()), "/api/auth/token/revoke/", {"jti": token["jti"]}))
    assert query(stack, "SELECT count(*) FROM gateway.revoked_tokens WHERE jti = %s", (token["jti"],)) == [(1,)]
    assert logged(stack, "revoke_token", f"token:{token['jti']}") == 1


async def rotate_signing_key(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect tokens by old and new keys to be valid, however often the rotation was begun."""
    await client.write(Wish("user", str(uuid4()), "/api/auth/keys/rotate/"))
    log_in(office, "partner", "partner")
    # Signed by the newest key: a service that lost sight of the gateway as it died learns of it when it has found it again.
    with caller(office.url, office.operator_token()) as newest:
        wait_until(
            lambda: all(newest.get(path).is_success for path in ("/api/vendor/", "/api/customer/")),
            "the newest key to be known",
            seconds=90,
        )
    assert office.get("/api/vendor/")["results"]


async def change_webhooks(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect one endpoint for one key, with a secret in every answer that was given."""
    vendor = office.vendor()
    body = {"vendor": vendor, "url": "http://127.0.0.1:9/", "description": "crash"}
    made = await client.write(Wish("webhook", str(uuid4()), "/api/webhooks/", body))
    assert made is not None
    found = query(stack, "SELECT id FROM customer_charge.webhook_endpoints WHERE vendor_id = %s ORDER BY id", (vendor,))
    assert (made["id"],) in found


async def preview_charge(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect a dry run to have no effect, whoever dies."""
    vendor, customer = office.vendor(5), office.customer()
    wish = {"vendor": vendor, "customer": customer, "amount": 5, "dry_run": True}
    await client.write(Wish("charge", str(uuid4()), CHARGE_PATH, wish))
    assert (office.balance(vendor), office.charges(vendor)) == (5, [])
    assert query(stack, "SELECT 1 FROM customer_charge.charge_keys WHERE vendor_id = %s", (vendor,)) == []


async def read_books(client: RetryingClient, office: Office, stack: Stack) -> None:
    """Expect the check of everything to come to its end, and to find nothing."""
    books = await client.write(Wish("read", "books", "/api/books/", method="GET"))
    assert books is not None
    assert (books["drift"], books["findings"]) == (0, [])


DEEDS: tuple[Deed, ...] = (
    create_vendor,
    update_vendor,
    read_statement,
    create_customer,
    create_user,
    create_user_token,
    create_token,
    disable_user,
    revoke_token,
    rotate_signing_key,
    change_webhooks,
)
ASKING: tuple[Deed, ...] = (create_user, preview_charge, read_books)
CASES = [(deed, point) for deed in DEEDS for point in commit(deed.__name__, OFFICE[deed.__name__])[:2]]
CASES += [(deed, point) for deed in ASKING for point in ASKED[deed.__name__][:2]]


@pytest.mark.parametrize(("deed", "point"), CASES, ids=[point.name for _, point in CASES])
def test_dying_there_leaves_a_whole_write_or_none(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, deed: Deed, point: Point
) -> None:
    """One death at the point, while an operator's client asks until it is answered."""
    token = office.operator_token()
    fallen = arm(stack, crashes, point.name, point.service)
    with History(server_folder / f"{point.name}.jsonl") as history:

        async def play() -> None:
            async with async_caller(office.url, token, address()) as http:
                await deed(RetryingClient(http, history), office, stack)

        asyncio.run(play())
    fallen()
    stack.wait_ready()


@pytest.mark.parametrize("points", PERIODIC, ids=["one-way", "other-way"])
def test_dying_there_of_itself_is_mended_by_a_new_start(stack: Stack, crashes: CrashFolder, points: tuple[Point, ...]) -> None:
    """What processes ask by themselves, or for whoever asks whether they are ready: their successors ask again, and all is well."""
    falls = [arm(stack, crashes, point.name, point.service) for point in points]
    url = stack.environment["CHARGING_HTTP_URL"]
    wait_until(lambda: ready(url) and not any(crashes.armed(point.name) for point in points), f"deaths at {points}", FALL_SECONDS)
    for fallen in falls:
        fallen()
    stack.wait_ready()


def address() -> str:
    """Return an address of this machine that has tried no login yet: those are limited."""
    return f"127.0.{next(_addresses)}.1"


_addresses = count(1)


def log_in(office: Office, username: str, password: str) -> None:
    """Log in, which must work."""
    with caller(office.url, address=address()) as client:
        answer = client.post("/api/auth/token/", json={"username": username, "password": password})
    assert answer.status_code == httpx.codes.OK, answer.text


def new_user(office: Office, name: str = "") -> int:
    """Make a partner and return its id."""
    body = {"username": name or f"u-{uuid4()}", "password": PASSWORD, "role": "partner", "vendors": [1]}
    return int(office.post("/api/auth/users/", body)["data"]["id"])


def logged(stack: Stack, action: str, target: str) -> int:
    """Return how often an action on a target is in the operators' log."""
    ((count,),) = query(stack, LOGGED, (action, target))
    return int(count)
