"""The sandbox's magic customers: what a partner's code meets, and what became of the money."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.gateway.sandbox.scripts import CUSTOMERS, SLOW_SECONDS, Script
from shared.local.stack import Stack
from tests.support import wait_until
from tests.system.office import Office, Partner, caller
from tests.system.stacks import another_gateway, audit

CHARGE = "/api/customer/increase-credit/"
Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def url(stack: Stack) -> Iterator[str]:
    """Give a gateway with a sandbox."""
    with another_gateway(stack, {"CHARGING_SANDBOX": "true"}) as address:
        yield address
    audit(stack)


@pytest.fixture
def partner(office: Office) -> Partner:
    """Give a partner with credit."""
    return office.partner(credit=1_000)


@pytest.fixture
def client(url: str, partner: Partner) -> Iterator[httpx.Client]:
    """Give the partner's client."""
    with caller(url, partner.token) as opened:
        yield opened


def order(client: httpx.Client, partner: Partner, script: Script, amount: int = 100) -> dict[str, Any]:
    """Return the order of a charge to the customer of a script."""
    number = next(number for number, each in CUSTOMERS.items() if each is script)
    customer = client.post("/api/customer/", json={"phone_number": number}).json()["data"]["id"]
    return {"vendor": partner.vendor, "customer": customer, "amount": amount}


def keyed(key: str = "") -> dict[str, str]:
    """Return the header of an idempotency key."""
    return {"Idempotency-Key": key or str(uuid4())}


def test_a_dropped_reply_hides_a_charge_that_a_retry_with_the_same_key_finds(
    client: httpx.Client, partner: Partner, office: Office
) -> None:
    """Committed once, although the partner sent it twice."""
    wish, key = order(client, partner, Script.REPLY_DROPPED), keyed()
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(CHARGE, json=wish, headers=key)
    again = client.post(CHARGE, json=wish, headers=key)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert office.final(again.json()["data"]["id"])["status"] == "succeeded"
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(CHARGE, json=wish)
    wait_until(lambda: office.balance(partner.vendor) == 800, "the charge without a key, which nobody can find again")
    assert len(office.charges(partner.vendor)) == 2


@pytest.mark.parametrize(("script", "status"), [(Script.LIMITED, 429), (Script.UNAVAILABLE, 503)])
def test_a_first_try_that_is_refused_does_nothing_and_the_second_succeeds(
    client: httpx.Client, partner: Partner, office: Office, script: Script, status: int
) -> None:
    """The answer says when to come back."""
    wish, key = order(client, partner, script), keyed()
    first = client.post(CHARGE, json=wish, headers=key)
    assert (first.status_code, first.headers["retry-after"]) == (status, "1")
    assert first.headers["content-type"] == "application/problem+json"
    assert office.charges(partner.vendor) == []
    second = client.post(CHARGE, json=wish, headers={**key, "Prefer": "wait=10"})
    assert (second.status_code, second.json()["status"]) == (200, "succeeded")
    assert "idempotent-replayed" not in second.headers


def test_a_slow_answer_comes_late_and_true(client: httpx.Client, partner: Partner, office: Office) -> None:
    """Who gives up earlier and repeats the key pays once."""
    wish, key = order(client, partner, Script.SLOW), keyed()
    with pytest.raises(httpx.ReadTimeout):
        client.post(CHARGE, json=wish, headers=key, timeout=SLOW_SECONDS / 4)
    started = time.monotonic()
    assert client.post(CHARGE, json=wish, headers=key).status_code == 202
    assert time.monotonic() - started >= SLOW_SECONDS
    assert len(office.charges(partner.vendor)) == 1


def test_a_refused_charge_looks_like_one_everywhere_and_is_in_no_ledger(
    client: httpx.Client, partner: Partner, office: Office, url: str
) -> None:
    """Accepted, then failed; replayed, resolved and read by its owner only."""
    wish, key = order(client, partner, Script.REFUSED), keyed("order-1")
    accepted = client.post(CHARGE, json=wish, headers=key)
    assert (accepted.status_code, accepted.json()["status"]) == (202, "accepted")
    charge_id = accepted.json()["data"]["id"]
    found = client.get(accepted.headers["location"]).json()["data"]
    assert (found["id"], found["status"], found["failure"]["reason"]) == (charge_id, "failed", "insufficient_credit")
    waited = client.post(CHARGE, json=wish, headers={**key, "Prefer": "wait=5"})
    assert (waited.status_code, waited.json()["status"], waited.json()["data"]["id"]) == (200, "failed", charge_id)
    assert waited.headers["idempotent-replayed"] == "true"
    reused = client.post(CHARGE, json={**wish, "amount": 1}, headers=key)
    assert (reused.status_code, reused.json()["reason"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    resolved = client.post("/api/customer/charges/resolve/", json={"vendor": partner.vendor, "idempotency_key": "order-1"})
    assert resolved.json()["data"]["id"] == charge_id

    with caller(url, office.partner(credit=0).token) as stranger:
        assert stranger.get(f"/api/customer/charges/{charge_id}/").status_code == 404
        assert stranger.post(CHARGE, json=wish, headers=keyed()).json()["reason"] in ("VENDOR_NOT_FOUND", "CUSTOMER_NOT_FOUND")
    dry = client.post(CHARGE, json={**wish, "dry_run": True}, headers=keyed()).json()
    assert dry.get("status") != "failed", "a dry run is answered by the door itself"
    assert client.post(CHARGE, json={**wish, "amount": "1"}, headers=keyed()).json()["reason"] == "INVALID_ARGUMENT"
    assert office.charges(partner.vendor) == []
    assert office.balance(partner.vendor) == 1_000


def test_an_event_that_comes_twice_has_one_number(client: httpx.Client, partner: Partner, office: Office) -> None:
    """Who reads events keeps the number up to which they were read."""
    charge = client.post(CHARGE, json=order(client, partner, Script.DUPLICATE_EVENT), headers=keyed()).json()["data"]["id"]
    plain = client.post(CHARGE, json=partner.order(1), headers=keyed()).json()["data"]["id"]
    office.final(charge)
    office.final(plain)

    def numbers(charge_id: str) -> list[int]:
        page = client.get("/api/events/", params={"vendor": partner.vendor, "page_size": 50}).json()
        return [event["seq"] for event in page["results"] if (event.get("charge") or {}).get("id") == charge_id]

    wait_until(lambda: bool(numbers(charge)) and bool(numbers(plain)), "both events")
    assert len(numbers(charge)) == 2
    assert len(set(numbers(charge))) == 1
    assert len(numbers(plain)) == 1


def test_other_customers_are_served_as_ever(client: httpx.Client, partner: Partner) -> None:
    """The sandbox is in nobody's way."""
    answer = client.post(CHARGE, json=partner.order(5), headers={**keyed(), "Prefer": "wait=10"})
    assert answer.json()["status"] == "succeeded"
    assert client.post(CHARGE, content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert client.post(CHARGE, json=[]).status_code == 400
