"""A partner's system as the documentation asks for: a key for each wish, and the same request again until there is an answer."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.history import History, Kind

CHARGE_PATH = "/api/customer/increase-credit/"
BATCH_PATH = "/api/customer/increase-credit/batch/"
SUBMIT_PATH = "/api/vendor/submit-request/"
APPROVE_PATH = "/api/vendor/approve-request/"
RESOLVE_PATH = "/api/customer/charges/resolve/"
REJECT_PATH = "/api/vendor/reject-request/"

PAUSE_SECONDS = 0.1
"""Before the second try, when the answer names no time."""

PAUSE_SECONDS_MAX = 0.5
"""Each pause is longer than the one before, up to this."""

PATIENCE_SECONDS = 90.0
"""How long a partner tries one wish: longer than any fault of these tests."""


RUNNING = "409 IDEMPOTENCY_KEY_RUNNING"
"""What a client notes whose first try, or whose double, is still at work."""

IMPATIENT = "hung up"
"""What a client notes that did not wait for the answer: its own doing, not a failure."""


@dataclass(frozen=True, slots=True)
class Order:
    """One charge that a partner wants; with `wait_seconds` it asks for the final state."""

    key: str
    vendor: int
    customer: int
    amount: int
    wait_seconds: int = 0

    @property
    def body(self) -> dict[str, int]:
        """Return the request's body."""
        return {"vendor": self.vendor, "customer": self.customer, "amount": self.amount}


@dataclass(frozen=True, slots=True)
class Wish:
    """One write of another kind: where it goes, what it says, and the name under which its story is kept."""

    kind: Kind
    key: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    method: str = "POST"


class RetryingClient:
    """Sends each wish until it is answered, and writes down everything."""

    def __init__(self, http: httpx.AsyncClient, history: History, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._http = http
        self._history = history
        self._patience_seconds = patience_seconds

    async def charge(self, order: Order) -> dict[str, Any] | None:
        """Charge; return the answer, None for a refusal or when patience ended."""
        headers = {"Prefer": f"wait={order.wait_seconds}"} if order.wait_seconds else {}
        answer = await self._send_until_answered("charge", [order.key], [order.body], CHARGE_PATH, order.body, order.key, headers)
        if answer is not None:
            self._history.add("ok", "charge", order.key, told={"id": answer["data"]["id"], "status": answer["status"]})
        return answer

    async def charge_once(self, order: Order, *, timeout_seconds: float) -> None:
        """Charge impatiently: send once, hang up soon, and never ask again. What became of it is for the books to tell."""
        self._history.add("invoke", "charge", order.key, wanted=order.body)
        try:
            answer = await self._http.post(
                CHARGE_PATH, json=order.body, headers={"Idempotency-Key": order.key}, timeout=httpx.Timeout(timeout_seconds)
            )
        except httpx.TransportError:
            self._history.add("unknown", "charge", order.key, detail=IMPATIENT)
            return
        if answer.is_success:
            told = answer.json()
            self._history.add("ok", "charge", order.key, told={"id": told["data"]["id"], "status": told["status"]})
        else:
            self._history.add("unknown" if passing(answer) else "fail", "charge", order.key, detail=_detail(answer))

    async def charge_many(self, orders: Sequence[Order]) -> None:
        """Charge in one bulk call, each item with its own key; repeated as a whole until it is answered."""
        items = [order.body | {"idempotency_key": order.key} for order in orders]
        keys, wanted = [order.key for order in orders], [order.body for order in orders]
        answer = await self._send_until_answered("charge", keys, wanted, BATCH_PATH, {"items": items}, "", {})
        if answer is None:
            return
        for order, result in zip(orders, answer["results"], strict=True):
            if "charge" in result:
                self._history.add("ok", "charge", order.key, told={"id": result["charge"]["id"], "status": "accepted"})
            else:
                self._history.add("fail", "charge", order.key, detail=f"item {result['error']['reason']}")

    async def write(self, wish: Wish) -> dict[str, Any] | None:
        """Write something else; return the answer's `data`, None for a refusal or when patience ended."""
        answer = await self._send_until_answered(wish.kind, [wish.key], [wish.body], wish.path, wish.body, wish.key, {}, wish.method)
        if answer is None:
            return None
        data = dict(answer.get("data", answer))
        self._history.add("ok", wish.kind, wish.key, told={"id": data.get("id"), "status": data.get("status")})
        return data

    async def _send_until_answered(
        self,
        kind: Kind,
        keys: Sequence[str],
        wanted: Sequence[dict[str, Any]],
        path: str,
        body: Any,
        key: str,
        headers: dict[str, str],
        method: str = "POST",
    ) -> dict[str, Any] | None:
        give_up_at = time.monotonic() + self._patience_seconds
        own_pause = PAUSE_SECONDS
        while time.monotonic() < give_up_at:
            for each, wish in zip(keys, wanted, strict=True):
                self._history.add("invoke", kind, each, wanted=wish)
            try:
                sent = headers | ({"Idempotency-Key": key} if key else {})
                answer = await self._http.request(method, path, json=body if method != "GET" else None, headers=sent)
            except httpx.TransportError as error:
                event, detail, pause = "unknown", type(error).__name__, own_pause
            else:
                if answer.is_success:
                    return dict(answer.json()) if answer.content else {}
                detail, pause = _detail(answer), float(answer.headers.get("retry-after", own_pause))
                event = "unknown" if passing(answer) else "fail"
            for each in keys:
                self._history.add("unknown" if event == "unknown" else "fail", kind, each, detail=detail)
            if event == "fail":
                return None
            await asyncio.sleep(pause)
            own_pause = min(1.5 * own_pause, PAUSE_SECONDS_MAX)
        return None


def passing(answer: httpx.Response) -> bool:
    """Tell whether the documentation says to try again: the server's trouble, a limit, or a first try that still runs."""
    if answer.status_code == httpx.codes.CONFLICT:
        return _detail(answer) == RUNNING
    return answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS


def _detail(answer: httpx.Response) -> str:
    try:
        reason = answer.json()["reason"]
    except (ValueError, KeyError, TypeError):
        reason = answer.text[:200]
    return f"{answer.status_code} {reason}"
