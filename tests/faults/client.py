"""A partner's system as the documentation asks for: its own keys, and the same request again until there is an answer.

Everything it does and is told goes into a history, one JSON object a line, which is judged afterwards:

- `invoke`: a request is about to be sent; what became of it is open until a later line with the same key tells.
- `ok`: an answer with a charge; `status` and `charge` are what was told.
- `fail`: a refusal that no retry mends; nothing was done.
- `unknown`: no answer, or one that says that the outcome is open. It is tried again with the same key.
"""

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

import httpx

CHARGE_PATH = "/api/customer/increase-credit/"
PAUSE_SECONDS = 0.1
"""Between tries when the answer names no time."""

PATIENCE_SECONDS = 40.0
"""How long a partner tries one charge: longer than any fault of these tests."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a history; `at` is on the monotonic clock, `detail` is an HTTP status or the kind of a broken connection."""

    at: float
    event: Literal["invoke", "ok", "fail", "unknown"]
    key: str
    detail: str = ""
    charge: str = ""
    status: str = ""


class History:
    """What one client did and was told, in memory and, line by line, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        self._file = path.open("w")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the file."""
        self._file.close()

    def add(self, event: Literal["invoke", "ok", "fail", "unknown"], key: str, *, detail: str = "", charge: str = "", status: str = "") -> None:
        """Add a line."""
        line = Line(time.monotonic(), event, key, detail, charge, status)
        self.lines.append(line)
        self._file.write(json.dumps(asdict(line)) + "\n")


@dataclass(frozen=True, slots=True)
class Order:
    """One charge that a partner wants; with `wait_seconds` it asks for the final state."""

    key: str
    vendor: int
    customer: int
    amount: int
    wait_seconds: int = 0


class PartnerClient:
    """Sends orders until each has an answer."""

    def __init__(self, http: httpx.AsyncClient, history: History) -> None:
        self._http = http
        self._history = history

    async def charge(self, order: Order) -> bool:
        """Send an order until it is answered; tell whether it was. False after PATIENCE_SECONDS without an answer."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            pause = await self._try(order)
            if pause is None:
                return True
            await asyncio.sleep(pause)
        return False

    async def _try(self, order: Order) -> float | None:
        """Send an order once; return the pause in seconds before the next try, None when there is an answer."""
        self._history.add("invoke", order.key)
        headers = {"Idempotency-Key": order.key} | ({"Prefer": f"wait={order.wait_seconds}"} if order.wait_seconds else {})
        body = {"vendor": order.vendor, "customer": order.customer, "amount": order.amount}
        try:
            answer = await self._http.post(CHARGE_PATH, json=body, headers=headers)
        except httpx.TransportError as error:
            self._history.add("unknown", order.key, detail=type(error).__name__)
            return PAUSE_SECONDS
        detail = str(answer.status_code)
        if answer.is_success:
            told = answer.json()
            self._history.add("ok", order.key, detail=detail, charge=told["data"]["id"], status=told["status"])
            return None
        if _passing(answer):
            self._history.add("unknown", order.key, detail=detail)
            return float(answer.headers.get("retry-after", PAUSE_SECONDS))
        self._history.add("fail", order.key, detail=f"{detail} {answer.text}")
        return None


def _passing(answer: httpx.Response) -> bool:
    """Tell whether the documentation says to try again: the server's trouble, a limit, or a first try that still runs."""
    if answer.status_code == httpx.codes.CONFLICT:
        return bool(answer.json()["reason"] == "IDEMPOTENCY_KEY_RUNNING")
    return answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS
