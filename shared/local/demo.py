"""`make demo`: play the whole story over HTTP against the running stack, and show every step.

A partner asks for credit, an operator approves it, the partner charges: the vendor's balance falls and the customer's rises. Then a charge
beyond the credit is refused, and a charge sent twice under one idempotency key happens once.
"""

import http.client
import json
import os
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from shared.local.env_file import read_env_file
from shared.local.state_folder import state_folder
from shared.tls.clients import open_http

POLL_SECONDS = 0.05
SETTLED_SECONDS_MAX = 15.0
FAR_TOO_MUCH = 1_000_000_000_000
"""The most one charge may be: more than the demo vendor ever has."""


class DemoFailed(Exception):
    """The system answered something else than the story says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: status code, headers with lower-case names, and the JSON body."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class Caller:
    """Somebody who calls the API at `url`; `token` is empty before the login."""

    url: str
    token: str = ""
    trust: ssl.SSLContext | None = None
    """What an https address is checked by; None: by what this machine trusts."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request and show it. Waits where the system says that there were too many. Raises DemoFailed for any other refusal."""
        print(f"\n> {method} {path}{'  ' + json.dumps(_hide(body)) if body is not None else ''}")
        answer = self._send(method, path, body, headers or {})
        while answer.status == http.HTTPStatus.TOO_MANY_REQUESTS:
            seconds = int(answer.headers.get("retry-after", "1"))
            print(f"  429: the limit per client address is reached; trying again in {seconds} s")
            time.sleep(seconds)
            answer = self._send(method, path, body, headers or {})
        print(f"  {answer.status} {json.dumps(_hide(answer.body), indent=2)}".replace("\n", "\n  "))
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise DemoFailed(f"{method} {path} answered {answer.status}")
        return answer

    def wait_for(self, path: str, statuses: set[str]) -> Any:
        """Read an object until its status is one of these; return it. Raises DemoFailed when it takes too long."""
        started = time.monotonic()
        while time.monotonic() - started < SETTLED_SECONDS_MAX:
            answer = self._send("GET", path, None, {})
            if answer.status == http.HTTPStatus.OK and answer.body["data"]["status"] in statuses:
                print(f"\n  {path} is {answer.body['data']['status']} after {(time.monotonic() - started) * 1000:.0f} ms")
                return answer.body["data"]
            time.sleep(POLL_SECONDS)
        raise DemoFailed(f"{path} was not {' or '.join(sorted(statuses))} within {SETTLED_SECONDS_MAX:.0f} s")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        connection = open_http(urlsplit(self.url), timeout_seconds=30, context=self.trust)
        try:
            sent = {"Accept": "application/json", **headers}
            if self.token:
                sent["Authorization"] = f"Token {self.token}"
            if body is not None:
                sent["Content-Type"] = "application/json"
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(content) if content else None)


def tell(url: str, trust: ssl.SSLContext | None = None) -> None:
    """Play the story. Raises DemoFailed, and OSError when nobody listens or the certificate is not to be believed."""
    _step("1. Both log in.")
    operator, partner = _log_in(url, "operator", trust), _log_in(url, "partner", trust)

    _step("2. The partner asks for 1,000 of credit for vendor 1; the operator approves, and it is posted.")
    request = partner.call("POST", "/api/vendor/submit-request/", {"requester": 1, "amount": 1000}).body["data"]
    operator.call("POST", "/api/vendor/approve-request/", {"request_credit_id": request["id"]})
    partner.wait_for(f"/api/vendor/requests/{request['id']}/", {"confirmed"})

    _step("3. The partner charges: 100 from vendor 1 to customer 1. `accepted` means that it will become final, whatever crashes.")
    key = {"Idempotency-Key": f"demo-{uuid4()}"}
    order = {"vendor": 1, "customer": 1, "amount": 100}
    charge = partner.call("POST", "/api/customer/increase-credit/", order, key).body["data"]
    _expect("the charge", partner.wait_for(f"/api/customer/charges/{charge['id']}/", {"succeeded", "failed"})["status"], "succeeded")

    _step("4. Balances, and the newest entries of both ledgers.")
    vendor = partner.call("GET", "/api/vendor/1/").body["data"]
    operator.call("GET", "/api/customer/1/")
    partner.call("GET", "/api/vendor/1/entries/?page_size=2")
    operator.call("GET", "/api/customer/1/entries/?page_size=1")

    _step("5. The same request once more with the same key: the same charge, and nothing moves.")
    again = partner.call("POST", "/api/customer/increase-credit/", order, key)
    print(f"  Idempotent-Replayed: {again.headers.get('idempotent-replayed', 'no')}")
    _expect("the charge's id", again.body["data"]["id"], charge["id"])

    _step("6. Far more than the vendor has, waiting for the final answer: refused, with the reason and what is missing.")
    too_much = {"vendor": 1, "customer": 1, "amount": FAR_TOO_MUCH}
    refused = partner.call("POST", "/api/customer/increase-credit/", too_much, {"Prefer": "wait=10"}).body
    _expect("the charge", refused["status"], "failed")

    _step("7. Neither changed the vendor's balance.")
    _expect("the balance", partner.call("GET", "/api/vendor/1/").body["data"]["balance"], vendor["balance"])
    print("\nThat was the whole story. `make audit` checks the books; `make psql` shows the tables.")


def _log_in(url: str, username: str, trust: ssl.SSLContext | None) -> Caller:
    answer = Caller(url, trust=trust).call("POST", "/api/auth/token/", {"username": username, "password": username})
    return Caller(url, answer.body["token"], trust)


def _step(sentence: str) -> None:
    print(f"\n=== {sentence}")


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise DemoFailed(f"{what} is {found!r}, not {wanted!r}")


def _hide(body: Any) -> Any:
    secret = {"token", "password"}
    return {name: "..." if name in secret else value for name, value in body.items()} if isinstance(body, Mapping) else body


def main() -> int:
    """Play the story against the stack of this folder."""
    settings = {**read_env_file(state_folder() / "env"), **os.environ}
    url, ca_file = settings.get("CHARGING_HTTP_URL", "http://127.0.0.1:8000"), settings.get("CHARGING_CA_FILE")
    try:
        tell(url, ssl.create_default_context(cafile=ca_file) if ca_file else None)
    except OSError as error:
        print(f"nothing answers at {url} ({error}): start the stack with `make run` in another terminal", file=sys.stderr)
        return 1
    except DemoFailed as error:
        print(f"the story broke: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
