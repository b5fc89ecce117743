"""The documented examples, verbatim, against the running services: path, body, status and shape are a promise to partners."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.customer_charge.demo_data import make as make_customers
from services.vendor_credit.demo_data import make as make_vendor
from shared.principal import RateLimit, Role
from tests.contract.stack import Stack, open_stack
from tests.databases import DatabaseFactory
from tests.support import require_tool

CREDIT_REQUEST = {"id", "requester", "amount", "status", "created_at", "updated_at"}
CHARGE = {"id", "vendor", "customer", "amount", "status", "created_at"}
PROBLEM = {"type", "title", "status", "detail", "reason", "request_id", "errors"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(database_factory: DatabaseFactory, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Give the stack with the documented limits and the demo data: vendor 1, customers 1 to 10, users `operator` and `partner`."""
    databases = database_factory.clone()
    async with open_stack(databases, module_redis_url, tmp_path_factory.mktemp("keys"), trusted_proxies=("127.0.0.0/8",)) as stack:
        await make_vendor(stack.vendor_settings)
        await make_customers(stack.charge_settings)
        for name, role, vendors in (("operator", Role.OPERATOR, []), ("partner", Role.PARTNER, [1])):
            await stack.add_user(name, role, vendors, password="a longer one")
        yield stack
    database_factory.drop(databases)


@pytest.fixture
def from_elsewhere(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give headers that a trusted proxy adds for a client of this test's own, so that no test spends another's limit."""
    number = sum(request.node.name.encode()) * 31 % 65_000
    return {"x-forwarded-for": f"198.18.{number // 256}.{number % 256}"}


async def submitted(demo: Stack, headers: dict[str, str], amount: int = 10000) -> int:
    """Submit a credit request; return its id."""
    body = {"requester": 1, "amount": amount}
    answer = await demo.send("POST", "/api/vendor/submit-request/", demo.tokens["partner"], body, headers=headers)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["id"])


async def funded(demo: Stack, headers: dict[str, str], amount: int = 10000) -> None:
    """Give vendor 1 credit."""
    number = await submitted(demo, headers, amount)
    answer = await demo.send(
        "POST", "/api/vendor/approve-request/", demo.tokens["operator"], {"request_credit_id": number}, headers=headers
    )
    assert answer.status_code == 202, answer.text
    await demo.settle()


async def charged(demo: Stack, headers: dict[str, str], body: dict[str, Any] | None = None) -> httpx.Response:
    """Send the documented charge."""
    body = body or {"vendor": 1, "customer": 1, "amount": 100}
    return await demo.send("POST", "/api/customer/increase-credit/", demo.tokens["partner"], body, headers=headers)


def problem(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """Return the problem document of a refusal, which must be of this kind."""
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["status"], document["reason"]) == (status, status, reason), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(document) - {"metadata"} == PROBLEM
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


async def test_signing_in(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """POST /api/auth/token/ answers 200 with a token and its end, and nothing else."""
    credentials = {"username": "partner", "password": "a longer one"}
    answer = await demo.send("POST", "/api/auth/token/", body=credentials, headers=from_elsewhere)
    assert (answer.status_code, set(answer.json())) == (200, {"token", "expires_at"})
    assert answer.headers["cache-control"] == "no-store"


async def test_a_wrong_password_and_an_unknown_user_answer_alike(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """401 says the same of both, so that nobody learns who exists."""
    documents = []
    for credentials in ({"username": "partner", "password": "wrong"}, {"username": "nobody", "password": "wrong"}):
        answer = await demo.send("POST", "/api/auth/token/", body=credentials, headers=from_elsewhere)
        documents.append({**problem(answer, 401, "WRONG_CREDENTIALS"), "request_id": ""})
    assert documents[0] == documents[1]


async def test_the_eleventh_login_in_a_minute_is_told_when_to_come_back(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """Logins are throttled per client address, right or wrong."""
    answers = [
        await demo.send("POST", "/api/auth/token/", body={"username": "partner", "password": "wrong"}, headers=from_elsewhere)
        for _ in range(11)
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


async def test_submitting_a_credit_request(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """POST /api/vendor/submit-request/ answers 200 with the pending request and exactly the documented fields."""
    body = {"requester": 1, "amount": 10000}
    answer = await demo.send("POST", "/api/vendor/submit-request/", demo.tokens["partner"], body, headers=from_elsewhere)
    assert answer.status_code == 200
    assert set(answer.json()) == {"data"}
    data = answer.json()["data"]
    assert set(data) == CREDIT_REQUEST
    assert (data["requester"], data["amount"], data["status"]) == (1, 10000, "pending")


async def test_approving_by_get_is_deprecated_and_works(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """The documented GET answers 202, again the same, and says by its headers that POST is the form to use; it posts once."""
    number = await submitted(demo, from_elsewhere, 7)
    before = demo.rows("vendor_credit", "SELECT balance FROM vendors WHERE id = 1")[0][0]
    path = f"/api/vendor/approve-request/?request_credit_id={number}"
    for _ in range(2):
        answer = await demo.send("GET", path, demo.tokens["operator"], headers=from_elsewhere)
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
        assert answer.headers["deprecation"].startswith("@")
        assert answer.headers["link"] == '</api/vendor/approve-request/>; rel="successor-version"'
        await demo.settle()
    assert demo.rows("vendor_credit", "SELECT balance FROM vendors WHERE id = 1")[0][0] == before + 7


async def test_approving_by_post_is_the_form_to_use(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """POST answers the same without a Deprecation header, and the request becomes confirmed."""
    number = await submitted(demo, from_elsewhere)
    token = demo.tokens["operator"]
    answer = await demo.send("POST", "/api/vendor/approve-request/", token, {"request_credit_id": number}, headers=from_elsewhere)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert "deprecation" not in answer.headers
    await demo.settle()
    read = await demo.send("GET", f"/api/vendor/requests/{number}/", token)
    assert read.json()["data"]["status"] == "confirmed"


async def test_rejecting_an_approved_request_is_a_conflict(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """POST /api/vendor/reject-request/ answers 409 after an approval, and a rejected request tells its reason."""
    token = demo.tokens["operator"]
    approved, rejected = await submitted(demo, from_elsewhere, 3), await submitted(demo, from_elsewhere, 3)
    await demo.send("POST", "/api/vendor/approve-request/", token, {"request_credit_id": approved}, headers=from_elsewhere)
    late = {"request_credit_id": approved, "reason": "too late"}
    problem(await demo.send("POST", "/api/vendor/reject-request/", token, late, headers=from_elsewhere), 409, "REQUEST_DECIDED")
    soon = {"request_credit_id": rejected, "reason": "too much"}
    answer = await demo.send("POST", "/api/vendor/reject-request/", token, soon, headers=from_elsewhere)
    assert (answer.status_code, answer.json()["data"]["status"], answer.json()["data"]["reason"]) == (200, "rejected", "too much")


async def test_charging(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """POST /api/customer/increase-credit/ answers 202 with the accepted charge and where to read it."""
    await funded(demo, from_elsewhere)
    answer = await charged(demo, from_elsewhere)
    assert answer.status_code == 202
    assert set(answer.json()) == {"status", "data"}
    data = answer.json()["data"]
    assert set(data) == CHARGE
    assert (answer.json()["status"], data["status"]) == ("accepted", "accepted")
    assert (data["vendor"], data["customer"], data["amount"]) == (1, 1, 100)
    assert answer.headers["location"] == f"/api/customer/charges/{data['id']}/"
    await demo.settle()
    read = await demo.send("GET", answer.headers["location"], demo.tokens["partner"])
    assert read.json()["data"]["status"] == "succeeded"


async def test_charging_with_notes_of_ones_own(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """`external_id` and `metadata` come back with the charge, find it in the list, and belong to what the key stands for."""
    notes = {"external_id": "order-4711", "metadata": {"branch": "north", "till": "7"}}
    body, headers = {"vendor": 1, "customer": 1, "amount": 100, **notes}, {**from_elsewhere, "idempotency-key": "noted"}
    answer = await charged(demo, headers, body)
    assert answer.status_code == 202
    data = answer.json()["data"]
    assert set(data) == CHARGE | set(notes)
    assert {name: data[name] for name in notes} == notes
    read = await demo.send("GET", answer.headers["location"], demo.tokens["partner"])
    assert {name: read.json()["data"][name] for name in notes} == notes
    listed = await demo.send("GET", "/api/customer/charges/?vendor=1&external_id=order-4711", demo.tokens["partner"])
    assert [each["id"] for each in listed.json()["results"]] == [data["id"]]
    for other in ({"external_id": "order-4712"}, {"metadata": {"branch": "south"}}, {"metadata": {}}):
        problem(await charged(demo, headers, {**body, **other}), 422, "IDEMPOTENCY_KEY_REUSED")
    assert (await charged(demo, headers, body)).json()["data"]["id"] == data["id"]


async def test_a_charge_that_waits_answers_its_final_state(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """`Prefer: wait=5` is answered 200 when the charge became final in time."""
    await funded(demo, from_elsewhere)
    waiting = asyncio.create_task(charged(demo, {**from_elsewhere, "prefer": "wait=5"}))
    while not waiting.done():
        await demo.settle()
    answer = waiting.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=5"


async def test_a_charge_beyond_the_credit_fails_with_what_is_missing(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """It is accepted, then failed; the charge tells the reason, what was available, and the shortfall."""
    answer = await charged(demo, from_elsewhere, {"vendor": 1, "customer": 2, "amount": 1_000_000_000})
    assert answer.status_code == 202
    await demo.settle()
    data = (await demo.send("GET", answer.headers["location"], demo.tokens["partner"])).json()["data"]
    assert (data["status"], data["failure"]["reason"]) == ("failed", "insufficient_credit")
    assert data["failure"]["available"] + data["failure"]["shortfall"] == 1_000_000_000


async def test_a_repeated_key_answers_the_first_charge(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """The same key and body: the same status code and charge, marked as replayed. Another body: 422."""
    headers = {**from_elsewhere, "idempotency-key": "order-17"}
    first, second = await charged(demo, headers), await charged(demo, headers)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["data"]["id"] == second.json()["data"]["id"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    problem(await charged(demo, headers, {"vendor": 1, "customer": 1, "amount": 101}), 422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_replay_of_a_settled_charge_keeps_the_first_status_code(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """Replay: the first status code and id, the object as it is now."""
    headers = {**from_elsewhere, "idempotency-key": "order-18"}
    first = await charged(demo, headers)
    await demo.settle()
    second = await charged(demo, headers)
    assert second.json()["data"]["status"] in {"succeeded", "failed"}
    assert first.status_code == second.status_code == 202


async def test_what_does_not_exist_answers_404(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """A missing customer and a missing or foreign vendor are named; nothing is accepted."""
    document = problem(await charged(demo, from_elsewhere, {"vendor": 1, "customer": 999, "amount": 1}), 404, "CUSTOMER_NOT_FOUND")
    assert document["errors"] == [{"field": "customer", "message": "there is no customer 999"}]
    document = problem(await charged(demo, from_elsewhere, {"vendor": 2, "customer": 1, "amount": 1}), 404, "VENDOR_NOT_FOUND")
    assert document["errors"] == [{"field": "vendor", "message": "there is no vendor 2"}]


async def test_calls_without_a_token_or_right_are_refused(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """401 asks for a token, 403 is for a role that may not."""
    body = {"vendor": 1, "customer": 1, "amount": 1}
    answer = await demo.send("POST", "/api/customer/increase-credit/", "", body, headers=from_elsewhere)
    problem(answer, 401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Token"
    path = "/api/vendor/approve-request/?request_credit_id=1"
    problem(await demo.send("GET", path, demo.tokens["partner"], headers=from_elsewhere), 403, "ROLE_NOT_ALLOWED")


async def test_the_eleventh_unsafe_request_in_a_minute_is_limited(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """At most 10 in any 60 seconds per client address and path; the GET form of approval counts, another path has a limit of its own."""
    path = "/api/vendor/approve-request/?request_credit_id=999999"
    answers = [await demo.send("GET", path, demo.tokens["operator"], headers=from_elsewhere) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [404] * 10 + [429]
    problem(answers[-1], 429, "RATE_LIMITED")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert all("ratelimit" in answer.headers and "ratelimit-policy" in answer.headers for answer in answers)
    assert (await charged(demo, from_elsewhere)).status_code == 202


async def test_a_forged_forwarding_header_does_not_widen_the_limit(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """What a client claims to the left of the hop that the trusted proxy saw counts for nothing."""
    seen = from_elsewhere["x-forwarded-for"]
    answers = [await charged(demo, {"x-forwarded-for": f"203.0.113.{number}, {seen}"}) for number in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]


async def test_a_contracted_limit_takes_the_place_of_the_default(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """A principal with a contract is not held to 10 a minute."""
    token = await demo.add_user("contracted", Role.PARTNER, [1], limit=RateLimit(1000, 60))
    body = {"vendor": 1, "customer": 3, "amount": 1}
    answers = [await demo.send("POST", "/api/customer/increase-credit/", token, body, headers=from_elsewhere) for _ in range(15)]
    assert {answer.status_code for answer in answers} == {202}


async def grpcurl(demo: Stack, home: str, *arguments: str) -> Any:
    """Run the real grpcurl against a server's reflection; return the JSON it prints."""
    command = [require_tool("grpcurl"), "-plaintext", *arguments]
    command.insert(-1, f"127.0.0.1:{demo.ports[home]}")
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ), cwd=Path("/")
    )
    output, errors = await child.communicate()
    assert child.returncode == 0, errors.decode()
    return json.loads(output)


async def test_the_documented_grpcurl_lines(demo: Stack, from_elsewhere: dict[str, str]) -> None:
    """Signing in, listing and approving requests, and reading the books work with grpcurl as the page shows them."""
    number = await submitted(demo, from_elsewhere, 11)
    credentials = '{"username": "operator", "password": "a longer one"}'
    token = (await grpcurl(demo, "gateway", "-d", credentials, "charging.identity.v1.TokenService/CreateToken"))["token"]
    with_token = ("-H", f"authorization: Token {token}")
    requests = "charging.vendor_credit.v1.CreditRequestService/"
    query = '{"page_size": 20, "state": "CREDIT_REQUEST_STATE_PENDING"}'
    listed = await grpcurl(demo, "vendor_credit", *with_token, "-d", query, f"{requests}ListCreditRequests")
    assert str(number) in [each["id"] for each in listed["results"]]
    approved = await grpcurl(demo, "vendor_credit", *with_token, "-d", f'{{"id": {number}}}', f"{requests}ApproveCreditRequest")
    assert approved == {"status": "ACKNOWLEDGEMENT_ACCEPTED"}
    await demo.settle()
    books = await grpcurl(demo, "customer_charge", *with_token, "charging.customer_charge.v1.BooksService/GetBooks")
    assert "drift" not in books["data"]
    assert "findings" not in books["data"]
