"""Who trades in a benchmark, made through the public API like everybody else: vendors with credit, customers, and their tokens.

Every vendor belongs to a partner of its own, whose API token carries a contracted limit: the limiter runs for every call, and is so wide
that it never refuses. One `service` user holds all vendors, as another team's system would, and sends the bulk calls.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

PASSWORD = "benchmark password"  # noqa: S105 - of users that live as long as the benchmark
LIMIT = {"requests": 1_000_000_000, "window_seconds": 60}
"""The widest contract there is: some 16 million units a second."""

CREDIT = 1_000_000_000_000
"""Of each vendor; charges are of 1 to AMOUNT_MAX minor units, so it never runs out."""

AMOUNT_MAX = 100
PARALLEL_CALLS = 16
CONFIRMED_SECONDS_MAX = 30.0


class WorldFailed(Exception):
    """The API refused something on the way; the message says what."""


@dataclass(frozen=True, slots=True)
class World:
    """Vendor ids with the token of each one's partner, customer ids, and the token of the service that holds every vendor."""

    vendors: tuple[int, ...]
    vendor_tokens: tuple[str, ...]
    customers: tuple[int, ...]
    service_token: str


class Api:
    """The REST API as one caller sees it."""

    def __init__(self, client: httpx.AsyncClient, token: str = "") -> None:
        self._client = client
        self._headers = {"Authorization": f"Token {token}"} if token else {}

    def as_caller(self, token: str) -> "Api":
        """Return the same API for another caller."""
        return Api(self._client, token)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send one POST and return the answer's body. Raises WorldFailed for a refusal."""
        return self._body(path, await self._client.post(path, json=body, headers=self._headers))

    async def get(self, path: str) -> Any:
        """Read one object. Raises WorldFailed for a refusal."""
        return self._body(path, await self._client.get(path, headers=self._headers))

    def _body(self, path: str, answer: httpx.Response) -> Any:
        if answer.is_error:
            raise WorldFailed(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()


def create_first_operator(environment: Mapping[str, str], username: str) -> None:
    """Create the operator that a deployment starts with, by the command made for that. Raises WorldFailed."""
    command = [sys.executable, "-m", "services.gateway.create_user", username, "--role", "operator"]
    outcome = subprocess.run(  # noqa: S603 - a program of ours
        command, input=PASSWORD + "\n", env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if outcome.returncode != 0:
        raise WorldFailed(f"the first operator could not be created: {outcome.stderr.strip()[-300:]}")


async def create_world(url: str, first_operator: str, *, vendors: int, customers: int) -> World:
    """Create everyone. Raises WorldFailed."""
    limits = httpx.Limits(max_connections=PARALLEL_CALLS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30.0) as client:
        anyone = Api(client)
        first = anyone.as_caller((await anyone.post("/api/auth/token/", {"username": first_operator, "password": PASSWORD}))["token"])
        # The first operator is bound by the documented 10 writes a minute: these two, with contracts, do the rest. Two, for four eyes.
        submitter, approver = [anyone.as_caller(await _token(first, f"operator-{number}", "operator", [])) for number in (1, 2)]
        made = await _all(submitter.post("/api/vendor/", {"name": f"Vendor {number}"}) for number in range(vendors))
        vendor_ids = [one["data"]["id"] for one in made]
        await _all(_credit(submitter, approver, vendor_id) for vendor_id in vendor_ids)
        tokens = await _all(_token(submitter, f"partner-{vendor_id}", "partner", [vendor_id]) for vendor_id in vendor_ids)
        service_token = await _token(submitter, "reseller-system", "service", vendor_ids)
        phones = [f"+98912{number:07}" for number in range(customers)]
        customer_ids = [one["data"]["id"] for one in await _all(submitter.post("/api/customer/", {"phone_number": one}) for one in phones)]
    return World(tuple(vendor_ids), tuple(tokens), tuple(customer_ids), service_token)


async def _token(operator: Api, username: str, role: str, vendor_ids: list[int]) -> str:
    user = await operator.post(
        "/api/auth/users/", {"username": username, "password": PASSWORD, "role": role, "vendors": vendor_ids, "rate_limit": LIMIT}
    )
    made = await operator.post(f"/api/auth/users/{user['data']['id']}/token/", {"label": "benchmark"})
    token: str = made["token"]
    return token


async def _credit(submitter: Api, approver: Api, vendor_id: int) -> None:
    request = await submitter.post("/api/vendor/submit-request/", {"requester": vendor_id, "amount": CREDIT})
    await approver.post("/api/vendor/approve-request/", {"request_credit_id": request["data"]["id"]})
    async with asyncio.timeout(CONFIRMED_SECONDS_MAX):
        while (await approver.get(f"/api/vendor/requests/{request['data']['id']}/"))["data"]["status"] != "confirmed":  # noqa: ASYNC110 - no event crosses processes
            await asyncio.sleep(0.02)


async def _all(calls: Any) -> list[Any]:
    """Run the calls, some at a time, and return their results in order."""
    gate = asyncio.Semaphore(PARALLEL_CALLS)

    async def one(call: Any) -> Any:
        async with gate:
            return await call

    return list(await asyncio.gather(*[one(call) for call in calls]))
