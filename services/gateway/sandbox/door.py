"""Stands before the door and plays the scripts. It changes no call that moves money: it delays, withholds or replaces answers."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from services.gateway.http.asgi import API_HEADERS, Header, Response, Send
from services.gateway.http.doors import Door
from services.gateway.http.json_writer import encode_json
from services.gateway.http.large_bodies import LargeBodies
from services.gateway.http.preferences import preferred_wait_seconds
from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import Request
from services.gateway.sandbox.pretended import PretendedCharges
from services.gateway.sandbox.scripts import CUSTOMERS, RETRY_AFTER_SECONDS, SLOW_SECONDS, Script
from shared.clock import utc_now

CHARGE_PATH = b"/api/customer/increase-credit/"
RESOLVE_PATH = b"/api/customer/charges/resolve/"
EVENTS_PATH = b"/api/events/"
CHARGES_PREFIX = b"/api/customer/charges/"

KNOWN_MAX = 100_000
"""Customers whose script, or lack of one, is remembered; phone numbers never change."""

KEYS_MAX = 10_000
"""Keys that were seen once, the newest."""

OK, ACCEPTED = 200, 202
AMOUNT_MAX = 10**12


class NoAnswer(Response):
    """The connection ends, and not a byte was sent."""

    async def send(self, send: Send, *, without_body: bool = False) -> None:
        """Send nothing: an answer that never ended ends its connection."""


class SandboxDoor:
    """A door that plays the script of a charge's customer, and is the door behind it for everything else.

    Remembers what it saw in memory, in this process alone. The gRPC doors and batches are not scripted.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._scripts: dict[int, Script | None] = {}
        self._used_keys: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._pretended = PretendedCharges()

    @property
    def large_bodies(self) -> LargeBodies:
        """Return who decides about large bodies."""
        return self._door.large_bodies

    def body_bytes_max(self, request: Request) -> int:
        """Return how large the body of a request may be."""
        return self._door.body_bytes_max(request)

    async def answer(self, request: Request) -> Response:
        """Return the response to a request; never raises."""
        if request.method == "POST" and request.path == CHARGE_PATH:
            return await self._charge(request)
        if request.method == "POST" and request.path == RESOLVE_PATH:
            return await self._resolve(request)
        if request.method == "GET" and request.path == EVENTS_PATH:
            return await self._events(request)
        if request.method == "GET" and request.path.startswith(CHARGES_PREFIX):
            pretended = self._pretended.find(request.path.removeprefix(CHARGES_PREFIX).rstrip(b"/").decode("latin-1"))
            if pretended is not None and await self._may_see(request, pretended["vendor"]):
                return _json(OK, {"data": pretended}, request)
        return await self._door.answer(request)

    async def _charge(self, request: Request) -> Response:
        order = _order(request)
        script = await self._script(request, order["customer"]) if order is not None else None
        if order is None or script is None or script is Script.DUPLICATE_EVENT:
            return await self._door.answer(request)
        if script is Script.REFUSED:
            return await self._refuse(request, order)
        first = self._first_use(order["vendor"], _key(request))
        if script is Script.LIMITED and first:
            return _problem("RATE_LIMITED", "the sandbox limits the first try", request)
        if script is Script.UNAVAILABLE and first:
            return _problem("UNAVAILABLE", "the sandbox is out of reach at the first try", request)
        response = await self._door.answer(request)
        if script is Script.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        return NoAnswer(response.status) if script is Script.REPLY_DROPPED and first and response.status in (OK, ACCEPTED) else response

    async def _refuse(self, request: Request, order: Mapping[str, Any]) -> Response:
        """Pretend to accept and refuse a charge, for a caller who might have made it."""
        key = _key(request)
        if not await self._may_see(request, order["vendor"]):
            return await self._door.answer(request)
        try:
            charge, replayed = self._pretended.accept(order, key or request.call_id, utc_now())
        except ValueError:
            detail = "this idempotency key was used before for another charge"
            return ProblemError.of("IDEMPOTENCY_KEY_REUSED", detail).response(request.request_id)
        wait = preferred_wait_seconds(request.headers.get(b"prefer", b"").decode("latin-1")) or order.get("wait", 0)
        headers: list[Header] = [(b"location", CHARGES_PREFIX + charge["id"].encode() + b"/")]
        if replayed:
            headers.append((b"idempotent-replayed", b"true"))
        return _json(OK if wait else ACCEPTED, {"status": "failed" if wait else "accepted", "data": charge}, request, headers)

    async def _resolve(self, request: Request) -> Response:
        wanted = _object(request.body)
        pretended = None
        if isinstance(wanted.get("vendor"), int) and isinstance(wanted.get("idempotency_key"), str):
            pretended = self._pretended.of_key(wanted["vendor"], wanted["idempotency_key"])
        if pretended is not None and await self._may_see(request, pretended["vendor"]):
            return _json(OK, {"data": pretended}, request)
        return await self._door.answer(request)

    async def _events(self, request: Request) -> Response:
        response = await self._door.answer(request)
        if response.status != OK or type(response) is not Response:
            return response
        page = _object(response.body)
        results = []
        for event in page.get("results", ()):
            customer = event.get("charge", {}).get("customer") if isinstance(event.get("charge"), dict) else None
            doubled = customer is not None and await self._script(request, customer) is Script.DUPLICATE_EVENT
            results += [event, event] if doubled else [event]
        if len(results) == len(page.get("results", ())):
            return response
        return Response(OK, response.headers, encode_json({**page, "results": results}))

    async def _script(self, request: Request, customer: int) -> Script | None:
        """Return the script of a customer, asked for with the caller's own token: nobody learns of a customer they cannot see."""
        if customer not in self._scripts:
            found = await self._read(request, f"/api/customer/{customer}/")
            if found is None:
                return None
            if len(self._scripts) >= KNOWN_MAX:
                self._scripts.clear()
            self._scripts[customer] = CUSTOMERS.get(found["phone_number"])
        return self._scripts[customer]

    async def _may_see(self, request: Request, vendor: int) -> bool:
        return await self._read(request, f"/api/vendor/{vendor}/") is not None

    async def _read(self, request: Request, path: str) -> dict[str, Any] | None:
        """Return what the caller of a request sees at a path, None for nothing."""
        authorization: list[Header] = [(name, value) for name, value in request.all_headers if name == b"authorization"]
        asked = Request.read("GET", quote(path).encode(), authorization, request.peer)
        response = await self._door.answer(asked)
        return _object(response.body)["data"] if response.status == OK else None

    def _first_use(self, vendor: int, key: str) -> bool:
        """Tell whether a key is used for the first time; no key is always a first time."""
        if not key:
            return True
        first = (vendor, key) not in self._used_keys
        self._used_keys[vendor, key] = None
        if len(self._used_keys) > KEYS_MAX:
            self._used_keys.popitem(last=False)
        return first


def _order(request: Request) -> dict[str, Any] | None:
    """Return the order in a charge's body, None for one that the door is to refuse, or that charges nothing: a dry run."""
    order = _object(request.body)
    numbers = [order.get(name) for name in ("vendor", "customer", "amount")]
    if not all(type(number) is int and number > 0 for number in numbers) or order["amount"] > AMOUNT_MAX:
        return None
    if order.get("dry_run", False) is not False:
        return None
    return order if type(order.get("wait", 0)) is int and isinstance(order.get("metadata", {}), dict) else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _key(request: Request) -> str:
    return request.headers.get(b"idempotency-key", b"").decode("latin-1").strip()


def _json(status: int, content: Any, request: Request, headers: list[Header] | None = None) -> Response:
    sent = [(b"content-type", b"application/json"), (b"x-request-id", request.request_id.encode()), *API_HEADERS, *(headers or [])]
    return Response(status, sent, encode_json(content))


def _problem(reason: str, detail: str, request: Request) -> Response:
    headers = [(b"retry-after", b"%d" % RETRY_AFTER_SECONDS)]
    return ProblemError.of(reason, detail, headers=headers).response(request.request_id)
