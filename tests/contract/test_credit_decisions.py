"""Who decides about credit requests, at the HTTP door: two approvers, limits, cancellation, and what each side is shown."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from shared.principal import Role
from tests.contract.conftest import UNLIMITED
from tests.contract.stack import PASSWORD, Stack, open_stack
from tests.databases import DatabaseFactory

THRESHOLD = 1_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(
    database_factory: DatabaseFactory, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """Give the stack with a threshold for second approvals, two operators, one more who may approve little, and partners of two vendors."""
    databases = database_factory.clone(1)  # so that the vendors have the ids 1 and 2
    rules = {"rate_limit_requests": UNLIMITED, "second_approval_above": THRESHOLD, "credit_request_expiry_days": 7}
    async with open_stack(databases, module_redis_url, tmp_path_factory.mktemp("keys"), **rules) as stack:
        olga = await stack.add_user("olga", Role.OPERATOR)
        await stack.add_user("oscar", Role.OPERATOR)
        for name, vendor_id in (("paula", 1), ("peter", 2)):
            assert (await stack.send("POST", "/api/vendor/", olga, {"name": name})).json()["data"]["id"] == vendor_id
            await stack.add_user(name, Role.PARTNER, [vendor_id])
        yield stack
    database_factory.drop(databases)


async def submitted(office: Stack, amount: int, **said: str) -> dict[str, Any]:
    """Submit a request in vendor 1's name; return it."""
    body = {"requester": 1, "amount": amount, **said}
    answer = await office.send("POST", "/api/vendor/submit-request/", office.tokens["paula"], body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


async def read(office: Stack, request_id: int, who: str) -> dict[str, Any]:
    """Return a request as somebody sees it."""
    answer = await office.send("GET", f"/api/vendor/requests/{request_id}/", office.tokens[who])
    found: dict[str, Any] = answer.json()["data"]
    return found


async def approved(office: Stack, request_id: int, token: str) -> Any:
    """Approve a request; return the answer."""
    return await office.send("POST", "/api/vendor/approve-request/", token, {"request_credit_id": request_id})


async def test_the_first_of_two_approvals_says_that_a_second_is_awaited(office: Stack) -> None:
    """202 `awaits_second_approval`, approvals shown, names to operators only; the second one answers `accepted`."""
    made = await submitted(office, THRESHOLD + 1, note="for the season", evidence_reference="bank 4711")
    assert (made["note"], made["evidence_reference"]) == ("for the season", "bank 4711")
    for _ in range(2):
        first = await approved(office, made["id"], office.tokens["olga"])
        assert (first.status_code, first.json()) == (202, {"status": "awaits_second_approval"})
    pending = await read(office, made["id"], "olga")
    (given,) = pending["approvals"]["given"]
    assert (pending["status"], pending["approvals"]["needed"], given["approved_by"]) == ("pending", 2, f"user:{office.user_ids['olga']}")
    for_the_vendor = await read(office, made["id"], "paula")
    assert for_the_vendor["approvals"] == {"needed": 2, "given": [{"approved_at": given["approved_at"]}]}
    assert "submitted_by" not in for_the_vendor
    second = await approved(office, made["id"], office.tokens["oscar"])
    assert (second.status_code, second.json()) == (202, {"status": "accepted"})
    await office.settle()
    confirmed = await read(office, made["id"], "paula")
    assert confirmed["status"] == "confirmed"
    assert "expires_at" not in confirmed


async def test_nobody_approves_what_they_submitted(office: Stack) -> None:
    """An operator who asks for credit in a vendor's name is refused as its approver, and nothing changed; another one approves it."""
    body = {"requester": 1, "amount": 10}
    made = (await office.send("POST", "/api/vendor/submit-request/", office.tokens["olga"], body)).json()["data"]
    before = office.fingerprint()
    refused = await approved(office, made["id"], office.tokens["olga"])
    assert (refused.status_code, refused.json()["reason"]) == (409, "FOUR_EYES")
    assert office.fingerprint() == before
    assert (await approved(office, made["id"], office.tokens["oscar"])).status_code == 202
    assert (await read(office, made["id"], "olga"))["decided_by"] == f"user:{office.user_ids['oscar']}"


async def test_a_request_tells_until_when_it_waits(office: Stack) -> None:
    """Seven days by this deployment's setting."""
    made = await submitted(office, 5)
    shown = await read(office, made["id"], "paula")
    assert datetime.fromisoformat(shown["expires_at"]) - datetime.fromisoformat(made["created_at"]) == timedelta(days=7)


async def test_an_operators_own_limit_travels_in_every_token(office: Stack) -> None:
    """403 APPROVAL_LIMIT beyond it, by the token of a login and by an API token alike."""
    olga = office.tokens["olga"]
    new = {"username": "otto", "password": PASSWORD, "role": "operator", "approval_limit": 100}
    user = (await office.send("POST", "/api/auth/users/", olga, new)).json()["data"]
    assert user["approval_limit"] == 100
    login = (await office.send("POST", "/api/auth/token/", body={"username": "otto", "password": PASSWORD})).json()["token"]
    long_lived = (await office.send("POST", f"/api/auth/users/{user['id']}/token/", olga, {"label": "desk"})).json()["token"]
    large, small = await submitted(office, 101), await submitted(office, 100)
    for token in (login, long_lived):
        refused = await approved(office, large["id"], token)
        assert (refused.status_code, refused.json()["reason"]) == (403, "APPROVAL_LIMIT")
    assert (await approved(office, small["id"], login)).json() == {"status": "accepted"}
    assert (await read(office, large["id"], "olga"))["status"] == "pending"


async def test_only_operators_have_an_approval_limit(office: Stack) -> None:
    """A partner with one is refused by the field's name, and so is a limit out of bounds."""
    for role, limit in (("partner", 1), ("operator", -1), ("operator", 10**12 + 1)):
        body = {"username": f"x-{role}{limit}", "password": PASSWORD, "role": role, "approval_limit": limit}
        answer = await office.send("POST", "/api/auth/users/", office.tokens["olga"], body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "approval_limit")


async def test_a_vendor_cancels_its_own_request_and_nobody_elses(office: Stack) -> None:
    """The vendor's partner withdraws it; another's gets 404; afterwards approving is 409 and the list knows the state."""
    made = await submitted(office, 5)
    body = {"request_credit_id": made["id"], "reason": "a slip"}
    stranger = await office.send("POST", "/api/vendor/cancel-request/", office.tokens["peter"], body)
    assert (stranger.status_code, stranger.json()["reason"]) == (404, "CREDIT_REQUEST_NOT_FOUND")
    cancelled = await office.send("POST", "/api/vendor/cancel-request/", office.tokens["paula"], body)
    assert (cancelled.status_code, cancelled.json()["data"]["status"], cancelled.json()["data"]["reason"]) == (200, "cancelled", "a slip")
    refused = await approved(office, made["id"], office.tokens["olga"])
    assert (refused.status_code, refused.json()["reason"]) == (409, "REQUEST_DECIDED")
    found = (await office.send("GET", "/api/vendor/requests/?vendor=1&status=cancelled", office.tokens["paula"])).json()["results"]
    assert made["id"] in {each["id"] for each in found}
    assert {each["status"] for each in found} == {"cancelled"}
