"""What operators do before a test begins: users with contracted limits, vendors with credit, customers."""

from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from shared.local.stack import Stack
from tests.support import WAIT_SECONDS, wait_until

CONTRACT = {"requests": 1_000_000, "window_seconds": 60}
"""A limit that no test reaches."""

FINAL = frozenset({"succeeded", "failed"})
_phone_numbers = count(4_470_000_000_000)


def caller(url: str, token: str = "", address: str = "127.0.0.1") -> httpx.Client:
    """Return a client of the HTTP door that calls from `address`, any of 127.0.0.0/8."""
    return httpx.Client(base_url=url, headers=headers_of(token), transport=httpx.HTTPTransport(local_address=address), timeout=20)


def async_caller(url: str, token: str = "", address: str = "127.0.0.1", *, connections: int = 64) -> httpx.AsyncClient:
    """Return a client for many requests at a time."""
    transport = httpx.AsyncHTTPTransport(local_address=address, limits=httpx.Limits(max_connections=connections))
    return httpx.AsyncClient(base_url=url, headers=headers_of(token), transport=transport, timeout=20)


def headers_of(token: str) -> dict[str, str]:
    """Return the headers of a caller with this token."""
    return {"Authorization": f"Token {token}"} if token else {}


def log_in(url: str, username: str, password: str) -> str:
    """Return the token that a name and a password get."""
    answer = httpx.post(f"{url}/api/auth/token/", json={"username": username, "password": password})
    assert answer.status_code == httpx.codes.OK, answer.text
    return str(answer.json()["token"])


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner's system: its API token, the vendor it owns and one customer."""

    token: str
    vendor: int
    customer: int

    def order(self, amount: int) -> dict[str, int]:
        """Return the body of a charge."""
        return {"vendor": self.vendor, "customer": self.customer, "amount": amount}


class Office:
    """Two operators with contracted limits, so that one approves what the other submitted."""

    def __init__(self, stack: Stack) -> None:
        self.url = stack.environment["CHARGING_HTTP_URL"]
        with caller(self.url, log_in(self.url, "operator", "operator")) as first:
            self._submitter = caller(self.url, self._new_token(first, "operator"))
            self._approver = caller(self.url, self._new_token(first, "operator"))

    def close(self) -> None:
        """Disconnect."""
        self._submitter.close()
        self._approver.close()

    def partner(self, credit: int = 0, *, rate_limit: dict[str, int] | None = CONTRACT) -> Partner:
        """Make a partner with one vendor that holds `credit`, and a customer; `rate_limit` None leaves it to the default limit."""
        vendor = self.vendor(credit)
        return Partner(self._new_token(self._approver, "partner", [vendor], rate_limit), vendor, self.customer())

    def operator_token(self) -> str:
        """Make one more operator's token."""
        return self._new_token(self._approver, "operator")

    def partner_token(self, vendors: list[int]) -> str:
        """Make a token of a partner that owns these vendors."""
        return self._new_token(self._approver, "partner", vendors)

    def vendor(self, credit: int = 0, **settings: int) -> int:
        """Make a vendor with such settings and give it credit; return its id once the credit is on its balance."""
        vendor = int(self.post("/api/vendor/", {"name": f"v-{uuid4()}", **settings})["data"]["id"])
        if credit:
            self.approved(vendor, credit)
            wait_until(lambda: self.balance(vendor) == credit, f"{credit} on vendor {vendor}")
        return vendor

    def approved(self, vendor: int, amount: int) -> None:
        """Ask for credit and approve it; it is posted before the next charge is decided."""
        request = self.post("/api/vendor/submit-request/", {"requester": vendor, "amount": amount})["data"]
        _answer(self._approver.post("/api/vendor/approve-request/", json={"request_credit_id": request["id"]}))

    def customer(self) -> int:
        """Make a customer; return its id."""
        return int(self.post("/api/customer/", {"phone_number": f"+{next(_phone_numbers)}"})["data"]["id"])

    def balance(self, vendor: int) -> int:
        """Return a vendor's balance."""
        return int(self.get(f"/api/vendor/{vendor}/")["data"]["balance"])

    def customer_balance(self, customer: int) -> int:
        """Return a customer's balance."""
        return int(self.get(f"/api/customer/{customer}/")["data"]["balance"])

    def charges(self, vendor: int, status: str = "") -> list[dict[str, Any]]:
        """Return every charge of a vendor, those in one status if it is given, newest first."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            filters = {"vendor": str(vendor), "page_size": "200"} | ({"status": status} if status else {})
            page = self.get("/api/customer/charges/", **filters, **({"page_token": token} if token else {}))
            found += page["results"]
            token = page.get("next_page_token", "")
            if not token:
                return found

    def final(self, charge_id: str, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """Return a charge once it is succeeded or failed."""
        path = f"/api/customer/charges/{charge_id}/"
        wait_until(lambda: self.get(path)["data"]["status"] in FINAL, f"charge {charge_id} to become final", seconds)
        return dict(self.get(path)["data"])

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return what an operator reads."""
        return _answer(self._submitter.get(path, params=query))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return what an operator's write answers."""
        return _answer(self._submitter.post(path, json=body))

    def _new_token(
        self, operator: httpx.Client, role: str, vendors: list[int] | None = None, rate_limit: dict[str, int] | None = CONTRACT
    ) -> str:
        body = {"username": f"u-{uuid4()}", "password": str(uuid4()), "role": role, "vendors": vendors or []}
        user = _answer(operator.post("/api/auth/users/", json=body | ({"rate_limit": rate_limit} if rate_limit else {})))["data"]
        return str(_answer(operator.post(f"/api/auth/users/{user['id']}/token/", json={"label": "tests"}))["token"])


def _answer(response: httpx.Response) -> dict[str, Any]:
    assert response.is_success, f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text}"
    return dict(response.json())
