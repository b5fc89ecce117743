"""Calls the REST door, and repeats what may be repeated."""

import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from charging_cli.failures import FIRST_SERVER_ERROR, TOO_MANY, Refused, Unreachable

PAUSE_SECONDS = 0.2
"""Before the first repetition; each further one waits twice as long, half of it by chance."""

PAUSE_SECONDS_MAX = 5.0
PAGE_SIZE = 200
"""The most that the service gives at once."""

RUNNING = "IDEMPOTENCY_KEY_RUNNING"

Query = Mapping[str, str | int | None]
Body = Mapping[str, Any]


class Api:
    """The REST door at `url`, for the holder of `token`; may be used by several threads.

    A call is repeated for up to `patience_seconds` when it was limited, or when no useful answer came and repeating it is safe: a read, a
    write with an idempotency key, or one that has the same effect however often it arrives. `told` is called with each pause in seconds
    and its reason. `trust` is what an https address is checked by, None for what this machine trusts. A door that was never reached
    fails at once: it is more likely a wrong address than a bad moment.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience_seconds: float = 30.0,
        timeout_seconds: float = 45.0,
        told: Callable[[float, str], None] | None = None,
        trust: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": "charging-cli"} | ({"Authorization": f"Token {token}"} if token else {})
        self.url = url
        verify = True if trust is None else trust
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, verify=verify, transport=transport)
        self._patience_seconds = patience_seconds
        self._told = told or (lambda _seconds, _why: None)
        self._reached = False

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, query: Query | None = None) -> dict[str, Any]:
        """Return what is at a path. Raises Refused and Unreachable."""
        return self._call("GET", path, query=query, repeatable=True)

    def post(
        self, path: str, body: Body, *, key: str = "", repeatable: bool = False, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Write and return the answer; a call with an idempotency `key` is repeatable. Raises Refused and Unreachable."""
        sent = {**(headers or {}), **({"Idempotency-Key": key} if key else {})}
        return self._call("POST", path, body=body, headers=sent, repeatable=repeatable or bool(key))

    def patch(self, path: str, body: Body) -> dict[str, Any]:
        """Set fields and return the answer. Raises Refused and Unreachable."""
        return self._call("PATCH", path, body=body, repeatable=True)

    def pages(self, path: str, query: Query | None = None, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list over all its pages, at most `limit` of them. Raises Refused and Unreachable."""
        token, left = "", limit
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(left, PAGE_SIZE)
            page = self.get(path, {**(query or {}), "page_size": size, "page_token": token or None})
            yield from page["results"]
            left = None if left is None else left - len(page["results"])
            token = page.get("next_page_token", "")
            if not token:
                return

    def stream(self, path: str, query: Query, accept: str) -> Iterator[bytes]:
        """Yield a long answer as it comes. Raises Refused, and Unreachable also half way; then what came is not all."""
        yield from self._stream("GET", path, query, {"Accept": accept})

    def upload(self, path: str, query: Query, content: bytes, media_type: str, accept: str) -> Iterator[bytes]:
        """Send a file and yield the long answer as it comes. Raises as `stream`."""
        yield from self._stream("POST", path, query, {"Accept": accept, "Content-Type": media_type}, content)

    def _stream(self, method: str, path: str, query: Query, headers: Mapping[str, str], content: bytes | None = None) -> Iterator[bytes]:
        try:
            with self._client.stream(method, path, params=_given(query), headers=headers, content=content) as answer:
                if not answer.is_success:
                    answer.read()
                    raise Refused(answer.status_code, _problem(answer))
                yield from answer.iter_bytes()
        except httpx.TransportError as error:
            raise Unreachable(f"the answer of {self.url} broke off: {error or type(error).__name__}") from None

    def _call(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool,
        query: Query | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        end = time.monotonic() + self._patience_seconds
        pause = PAUSE_SECONDS
        while True:
            failure, wanted = self._try(method, path, query, body, headers)
            if isinstance(failure, dict):
                return failure
            if not _may_repeat(failure, repeatable=repeatable):
                raise failure
            wait = wanted if wanted is not None else pause * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, guards nothing
            if time.monotonic() + wait > end or (isinstance(failure, Unreachable) and not self._reached):
                raise failure
            self._told(wait, failure.message)
            time.sleep(wait)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _try(
        self, method: str, path: str, query: Query | None, body: Body | None, headers: Mapping[str, str] | None
    ) -> tuple[dict[str, Any] | Refused | Unreachable, float | None]:
        """Send once; return the answer or the failure, and the seconds that the service asks to wait."""
        try:
            answer = self._client.request(method, path, params=_given(query or {}), json=body, headers=headers)
        except httpx.TransportError as error:
            return Unreachable(f"no answer from {self.url}: {error or type(error).__name__}"), None
        self._reached = True
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = None
        if not isinstance(content, dict):
            return Unreachable(f"{self.url}{path} answered {answer.status_code} and no JSON object: is this the right address?"), None
        if answer.is_success:
            return content, None
        after = answer.headers.get("retry-after", "")
        return Refused(answer.status_code, content), float(after) if after.isdigit() else None


def _given(query: Query) -> dict[str, str | int | None]:
    return {name: value for name, value in query.items() if value not in (None, "")}


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}


def _may_repeat(failure: Refused | Unreachable, *, repeatable: bool) -> bool:
    """Tell whether sending the same call again can help and cannot harm."""
    if isinstance(failure, Unreachable):
        return repeatable
    if failure.status == TOO_MANY:
        return failure.reason != "COST_ABOVE_LIMIT"
    return repeatable and (failure.status >= FIRST_SERVER_ERROR or failure.reason == RUNNING)
